// Checks of the console that need no browser. Node 20 reads no TypeScript, so Vite loads the modules.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
  const names = new Set([
    'kind.node',
    'kind.python',
    'kind.dockerfile',
    'kind.docker run',
    'kind.procfile',
    'cluster.kind.docker',
    'cluster.kind.podman',
    'cluster.kind.kubernetes',
    'cluster.kubeconfig',
    'cluster.gateway.own',
    'cluster.gatewayName',
    'check.name.kubeconfig',
    'cluster.kubelet',
  ])
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

const { tar, gzip } = await load('/src/create/tar.ts')
await check('a folder is packed so that tar unpacks it, long names and large files too', async () => {
  const long = `${'deep/'.repeat(30)}naïve file.txt`
  const big = 'x'.repeat(70_000)
  const archive = await gzip(
    tar([
      { path: 'server.js', file: new Blob(['console.log(1)\n']), modified: 1_700_000_000_000 },
      { path: long, file: new Blob([big]), modified: 0 },
      { path: 'empty', file: new Blob([]), modified: 0 },
    ]),
  )
  const folder = mkdtempSync(join(tmpdir(), 'pluvio-tar-'))
  writeFileSync(join(folder, 'a.tar.gz'), Buffer.from(await archive.arrayBuffer()))
  execFileSync('tar', ['-xzf', 'a.tar.gz'], { cwd: folder })
  assert.equal(readFileSync(join(folder, 'server.js'), 'utf8'), 'console.log(1)\n')
  assert.equal(readFileSync(join(folder, long), 'utf8'), big)
  assert.equal(readFileSync(join(folder, 'empty'), 'utf8'), '')
  rmSync(folder, { recursive: true })
})
const { parseDotenv } = await load('/src/pages/app/dotenv.ts')
await check('.env files are read as programs read them', () => {
  const { values, wrong } = parseDotenv(
    '# a comment\nexport A=1\nB = two words # why\nC="line one\\nline two"\nD=\'${RAW}\'\nE="over\ntwo"\nnonsense\nF=\nG="open',
  )
  assert.deepEqual(values, {
    A: '1',
    B: 'two words',
    C: 'line one\nline two',
    D: '${RAW}',
    E: 'over\ntwo',
    F: '',
  })
  assert.deepEqual(wrong, [8, 10])
})
const { fromSpec, toSpec } = await load('/src/pages/app/settings-editors.tsx')
await check('editing a probe keeps what the form does not show', () => {
  const probes = {
    ready: { http: { path: '/healthz', headers: { a: 'b' } }, period: '5s', failures: 7 },
    live: { tcp: {} },
  }
  const forms = fromSpec(probes)
  forms.ready.path = '/ready'
  forms.live.type = 'none'
  assert.deepEqual(JSON.parse(JSON.stringify(toSpec(forms, probes))), {
    ready: { http: { path: '/ready', headers: { a: 'b' } }, period: '5s', failures: 7 },
  })
})
await check('what follows when liveness fails is kept with it, chosen, and gone with it', () => {
  const probes = { live: { tcp: {} }, unhealthy: 'offline' }
  const written = (change) => {
    const forms = fromSpec(probes)
    change(forms)
    return JSON.parse(JSON.stringify(toSpec(forms, probes)))
  }
  assert.deepEqual(
    written(() => {}),
    { live: { tcp: {} }, unhealthy: 'offline' },
  )
  const chosen = (forms) => Object.assign(forms, { unhealthy: 'restart' })
  assert.deepEqual(written(chosen), { live: { tcp: {} } })
  const without = (forms) => Object.assign(forms.live, { type: 'none' })
  assert.deepEqual(written(without), {})
})

const { layOut } = await load('/src/topology/layout.ts')
await check('a layout goes from left to right, and nothing lies on anything', () => {
  const box = (id) => ({ id, w: 196, h: 92 })
  const boxes = ['@gateway', 'web', 'api', 'db', 'report', 'alone'].map(box)
  const links = [
    ['@gateway', 'web'],
    ['web', 'api'],
    ['web', 'db'],
    ['api', 'db'],
    ['report', 'db'],
    ['db', 'web'],
  ]
  const made = layOut(boxes, links, '@gateway')
  const x = (id) => made.nodes.get(id).x
  assert.ok(x('@gateway') < x('web') && x('web') < x('api') && x('api') < x('db'))
  assert.equal(x('report'), x('api'))
  assert.equal(made.edges.size, links.length)
  for (const [a, at] of made.nodes)
    for (const [b, other] of made.nodes)
      assert.ok(
        a === b || Math.abs(at.x - other.x) >= 196 || Math.abs(at.y - other.y) >= 92,
        `${a} lies on ${b}`,
      )
  assert.deepEqual(layOut(boxes, links, '@gateway'), made)
  assert.equal(layOut([], [], '@gateway').nodes.size, 0)
})
const { merge } = await load('/src/spec/merge.ts')
await check('two changes of one specification are put together where they do not meet', () => {
  const base = { name: 'shop', components: { web: { image: 'a', instances: 1 }, db: { image: 'b' } } }
  const mine = { name: 'shop', components: { web: { image: 'c', instances: 1 }, api: { image: 'n' } } }
  const theirs = {
    name: 'shop',
    components: { web: { image: 'a', instances: 2, uses: ['db'] }, db: { image: 'b' } },
  }
  const both = merge(base, mine, theirs)
  assert.deepEqual(both.merged.components, {
    web: { image: 'c', instances: 2, uses: ['db'] },
    api: { image: 'n' },
  })
  assert.deepEqual(both.conflicts, [])
  const meet = merge(base, mine, { ...base, components: { ...base.components, web: { image: 'd' } } })
  assert.deepEqual(meet.conflicts, [{ at: ['components', 'web', 'image'], mine: 'c', theirs: 'd' }])
  assert.equal(meet.merged.components.web.image, 'c')
})
const { mend, moved } = await load('/src/spec/mend.ts')
await check('offers that stay name the same uses when one before them is taken out', () => {
  const spec = { components: { web: { uses: ['gone', 'api', 'lost'] }, other: { uses: ['api', 'lost'] } } }
  const out = (component, index) => ({ fix: 'remove-use', component, index })
  const problems = [
    { fixes: [out('web', 2)] },
    { fixes: [out('other', 1), { fix: 'add-use', component: 'web', uses: 'cache' }] },
  ]
  const left = moved(problems, [out('web', 0)])
  const after = mend(
    mend(spec, [out('web', 0)]),
    left.flatMap((one) => one.fixes),
  )
  assert.deepEqual(after.components, { web: { uses: ['api', 'cache'] }, other: { uses: ['api'] } })
})

const shape = await load('/src/spec/shape.ts')
await check('every field of the forms has a name', () => {
  const named = (fields) => {
    for (const field of fields) {
      assert.ok(en[shape.labelOf(field.key)], field.key)
      named(field.shape.fields ?? [])
    }
  }
  named([...shape.componentSections, ...shape.sharedSections].flatMap((section) => section.fields))
})
await check('forms have every field of the schema, and no other', () => {
  const schema = JSON.parse(readFileSync(new URL('../../docs/schema/app.json', import.meta.url)))
  const resolve = (one) => {
    if (one?.$ref)
      return resolve(
        one.$ref
          .split('/')
          .slice(1)
          .reduce((at, key) => at[key], schema),
      )
    if (one?.allOf?.length === 1) return resolve(one.allOf[0])
    const several = (one?.anyOf ?? one?.oneOf ?? []).filter((each) => each.type !== 'null').map(resolve)
    // A value that has a short form and a long one: the long one has the fields.
    const objects = several.filter((each) => each?.properties)
    if (objects.length > 1)
      return { properties: Object.assign({}, ...objects.map((each) => each.properties)) }
    return objects[0] ?? several[0] ?? one
  }
  const fieldsOf = (object) => {
    const all = { ...object.properties }
    for (const each of object.oneOf ?? []) Object.assign(all, each.properties)
    return all
  }
  const compare = (fields, object, at) => {
    const has = fields.map((field) => field.key).sort()
    assert.deepEqual(has, Object.keys(object).sort(), at)
    for (const field of fields) {
      const inner = field.shape.fields
      if (!inner) continue
      let of = resolve(object[field.key])
      if (field.shape.t === 'map')
        of = resolve(of.additionalProperties ?? Object.values(of.patternProperties ?? {})[0])
      if (field.shape.t === 'rows') of = resolve(of.items)
      compare(inner, variants(of), `${at}.${field.key}`)
    }
  }
  const variants = (object) => {
    const all = { ...(object?.properties ?? {}) }
    for (const each of [...(object?.oneOf ?? []), ...(object?.anyOf ?? [])])
      Object.assign(all, variants(resolve(each)))
    return all
  }
  const root = fieldsOf(schema)
  const component = resolve(
    root.components.additionalProperties ?? Object.values(root.components.patternProperties ?? {})[0],
  )
  compare(
    shape.componentSections.flatMap((section) => section.fields),
    variants(component),
    'component',
  )
  const { apiVersion: _v, name: _n, components: _c, ...rest } = root
  const onlyApplication = Object.fromEntries(
    Object.entries(rest).filter(([key]) =>
      shape.sharedSections.some((s) => s.fields.some((f) => f.key === key)),
    ),
  )
  compare(
    shape.sharedSections.flatMap((section) => section.fields),
    onlyApplication,
    'application',
  )
})
const { contextsOf, nameFrom } = await load('/src/clusters/kubeconfig.ts')
await check('contexts of a kubeconfig, however it is written', () => {
  const kubectl = `apiVersion: v1
clusters:
- cluster:
    server: https://a
  name: a
contexts:
- context:
    cluster: a
    name: not-this
    user: me
  name: "a \\"b\\""   # its name
# a remark
- name: 'it''s'
  context:
    cluster: b
-   name: far # more
    context: {cluster: c, user: d}
current-context: far
users:
- name: nobody
`
  assert.deepEqual(contextsOf(kubectl), { names: ['a "b"', "it's", 'far'], current: 'far' })
  const indented = 'contexts:\r\n  - context:\r\n      user: me\r\n    name: x\r\nusers: []\r\n'
  assert.deepEqual(contextsOf(indented), { names: ['x'], current: undefined })
  const json = JSON.stringify({ contexts: [{ name: 'j' }], 'current-context': 'j' })
  assert.deepEqual(contextsOf(json), { names: ['j'], current: 'j' })
  const flow = 'contexts: [{name: x, context: {name: no, user: a}}, {context: {cluster: "}"}, "name": "y"}]'
  assert.deepEqual(contextsOf(flow), { names: ['x', 'y'], current: undefined })
  for (const other of ['', 'hello', '{', 'contexts: []']) assert.equal(contextsOf(other), undefined, other)
})
await check('a name for a cluster from its context', () => {
  assert.equal(nameFrom('kubernetes-admin@prod'), 'prod')
  assert.equal(nameFrom('arn:aws:eks:eu-north-1:123:cluster/Shop_EU'), 'shop-eu')
  assert.equal(nameFrom('admin@10.0.0.1'), '')
  assert.equal(nameFrom(''), '')
})
const { settingsOf, choicesOf } = await load('/src/clusters/settings.tsx')
await check('settings of a cluster, from what was found and what was typed', () => {
  const report = { findings: { gateways: ['a/b'], load_balancer: { guess: 'likely', by: 'metallb' } } }
  const fresh = choicesOf(undefined, report)
  assert.equal(fresh.exposure, 'load-balancer')
  assert.deepEqual(settingsOf({ ...fresh, port: ' 8443 ', gateway: 'cluster' }), {
    domain: undefined,
    gateway_port: 8443,
    gateway: { kind: 'cluster', namespace: 'a', name: 'b' },
    exposure: 'load-balancer',
    storage_class: undefined,
    restricted: [],
    namespace: undefined,
  })
  for (const bad of [
    { port: '0' },
    { port: '70000' },
    { port: 'x' },
    { gateway: 'cluster', gatewayName: 'b' },
  ])
    assert.equal(settingsOf({ ...fresh, ...bad }), undefined)
  const kept = {
    gateway: { kind: 'none' },
    exposure: 'host-port',
    domain: 'x.test',
    storage_class: 'fast',
    restricted: ['shop', 'crew'],
    namespace: 'ours',
  }
  assert.deepEqual(settingsOf(choicesOf(kept, report)), { ...kept, gateway_port: undefined })
})
await vite.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
