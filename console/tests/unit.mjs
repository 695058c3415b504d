// Checks of the console that need no browser. Node 20 reads no TypeScript, so Vite loads the modules.
import assert from 'node:assert/strict'
import { createServer } from 'vite'

const vite = await createServer({
  root: new URL('..', import.meta.url).pathname,
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
  appType: 'custom',
  logLevel: 'error',
  optimizeDeps: { noDiscovery: true },
})
const load = (path) => vite.ssrLoadModule(path)
let passed = 0
let failed = 0
async function check(name, act) {
  try {
    await act()
    passed += 1
  } catch (error) {
    failed += 1
    console.error(`FAILED ${name}\n  ${error.message.split('\n').join('\n  ')}`)
  }
}

const { en } = await load('/src/i18n/en.ts')
const { zh } = await load('/src/i18n/zh.ts')
const { parse, slots, fill } = await load('/src/i18n/message.ts')
const { formats } = await load('/src/i18n/format.ts')

await check('both languages use the same slots', () => {
  for (const key of Object.keys(en)) {
    assert.deepEqual([...slots(parse(zh[key]))].sort(), [...slots(parse(en[key]))].sort(), key)
  }
})
await check('no Chinese message was left in English', () => {
  const latin = /^[\x20-\x7e–—…·]*[a-z]{4,}[\x20-\x7e–—…·]*$/
  const left = Object.keys(zh).filter(
    (key) => zh[key] === en[key] && latin.test(zh[key].replace(/\{\w+\}/g, '')),
  )
  // Names that are the same in both.
  const names = new Set(['create.dockerfile', 'signin.name', 'create.kind.dockerfile'])
  assert.deepEqual(
    left.filter((key) => !names.has(key)),
    [],
  )
})
await check('plurals follow the language', () => {
  const say = (language, text, n) =>
    fill(parse(text), { n }, new Intl.PluralRules(language), new Intl.NumberFormat(language)).join('')
  assert.equal(say('en', '{n, plural, one {# line} other {# lines}}', 1), '1 line')
  assert.equal(say('en', '{n, plural, one {# line} other {# lines}}', 1200), '1,200 lines')
  assert.equal(say('zh', '{n, plural, other {# 行}}', 1), '1 行')
  assert.equal(say('en', '{n, plural, =0 {nothing} other {#}}', 0), 'nothing')
})
await check('durations, sizes and clocks', () => {
  const f = formats('en', 'en-GB')
  const plain = (text) => text.replaceAll('\u202f', ' ')
  assert.equal(plain(f.duration(84_000)), '1 m 24 s')
  assert.equal(plain(f.duration(3_240)), '3.2 s')
  assert.equal(plain(f.duration(48)), '48 ms')
  assert.equal(plain(formats('zh', 'zh-CN').duration(84_000)), '1 分 24 秒')
  assert.equal(f.clock(68_000), '1:08')
  assert.equal(f.clock(3_668_000), '1:01:08')
  assert.deepEqual(f.bytes(134_217_728), { value: '128', unit: 'MiB' })
  assert.deepEqual(f.bytes(1.5 * 1024 ** 3), { value: '1.5', unit: 'GiB' })
})

for (const extra of ['/src/create/tar.test.ts']) {
  const module = await load(extra).catch(() => undefined)
  if (module) await module.default(check, assert)
}

await vite.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
