// Browser tests of the built console: accessibility of every page, keyboard walks, narrow screens. Against the mock server,
// or against a real Pluvio when PLUVIO_URL and PLUVIO_TOKEN (the token of a fresh sign-in link) are set.
import { readFileSync } from 'node:fs'
import { launch } from './browser.mjs'
import { startMock } from './mock.mjs'
import { scenarios } from './scenarios.mjs'

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
const only = process.argv[2]
let passed = 0
let failed = 0
// Chromium drops what it is loading when an interface of the machine comes or goes, as container networks do. That says
// nothing about the console: such a scenario is told again.
let networkChanged = false
async function check(name, act, more = 3) {
  if (only && !name.includes(only) && !name.startsWith('every request')) return
  const started = performance.now()
  networkChanged = false
  try {
    await act()
    passed += 1
    if (process.env.VERBOSE) console.log(`ok     ${name} (${Math.round(performance.now() - started)} ms)`)
  } catch (error) {
    // A real server remembers what the first telling did.
    if (networkChanged && more > 0 && !real) return check(name, act, more - 1)
    failed += 1
    console.error(
      `FAILED ${name}\n  ${String(error?.message ?? error)
        .split('\n')
        .slice(0, 14)
        .join('\n  ')}`,
    )
  }
}

const browser = await launch()
const real = process.env.PLUVIO_URL
/** Where a scenario runs: a mock of its own, or the one real server. */
const breached = new Set()
const target = async (options) => {
  if (real) return { url: real, state: undefined, close: () => {} }
  const mock = await startMock(options)
  return {
    ...mock,
    close: () => {
      for (const wrong of mock.breached) breached.add(wrong)
      mock.close()
    },
  }
}

/** A page that is signed in, in a given theme, language and size. Errors of the page fail the scenario. */
async function open(
  server,
  { theme = 'light', language = 'en', width = 1440, height = 900, signedIn = true } = {},
) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: theme,
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    reducedMotion: 'reduce',
    storageState: real ? signedInState : undefined,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(8000)
  const errors = []
  page.on('requestfailed', (request) => {
    if (request.failure()?.errorText === 'net::ERR_NETWORK_CHANGED') networkChanged = true
  })
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of (4|5)\d\d|ERR_NETWORK_CHANGED/.test(message.text()))
      errors.push(message.text())
  })
  if (signedIn && !real)
    await page.request.post(`${server.url}/api/v1/session`, {
      data: { name: 'mei', password: 'correct horse' },
    })
  page.errors = errors
  page.done = async () => {
    await context.close()
    if (errors.length) throw new Error(`the page reported: ${errors.join(' | ')}`)
  }
  return page
}

let signedInState
if (real) {
  const context = await browser.newContext()
  const answer = await context.request.post(`${real}/api/v1/session/link`, {
    data: { token: process.env.PLUVIO_TOKEN },
  })
  if (!answer.ok()) throw new Error(`the sign-in link was refused: ${await answer.text()}`)
  signedInState = await context.storageState()
  await context.close()
}

/** Runs axe on the page as it is; throws with what it found. */
// `within`: a selector of the part that is looked at; the whole page when absent. What an open menu covers cannot be hit, and need
// not be large enough to be.
async function accessible(page, within) {
  // Injected as a function, since the content security policy allows no inline script.
  await page.evaluate(axe)
  const found = await page.evaluate(async (within) => {
    const { violations } = await globalThis.axe.run(within ?? document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
    })
    return violations.map(
      (one) =>
        `${one.id} (${one.impact}): ${one.nodes
          .slice(0, 3)
          .map((node) => `${node.html.slice(0, 140)} ${node.any[0]?.message.slice(0, 120) ?? ''}`)
          .join(' || ')}`,
    )
  }, within)
  if (found.length) throw new Error(found.join('\n'))
}

await scenarios({ check, open, target, accessible, real: Boolean(real) })
await check('every request and answer is as crates/api/openapi.json has it', () => {
  if (breached.size) throw new Error([...breached].slice(0, 12).join('\n'))
})
await browser.close()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
