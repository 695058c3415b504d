// Pictures for the documents: docs/screenshots, a few pages in light and dark, against the mock server. Those of clusters themselves are
// of a real one called prod, added to the Pluvio that PLUVIO_URL and PLUVIO_TOKEN (the token of a fresh sign-in link) lead to.
import { mkdirSync, statSync } from 'node:fs'
import { launch } from './browser.mjs'
import { startMock } from './mock.mjs'
import { sheet } from './mock-plans.mjs'

const folder = new URL('../../docs/screenshots/', import.meta.url).pathname
mkdirSync(folder, { recursive: true })
const P = '/t/paperlane/e/production'
const shots = [
  ['welcome-light', `${P}/welcome`, { data: 'empty' }],
  ['plan-light', `${P}/create?sample=node`],
  ['paste-light', `${P}/create?from=paste`, { act: paste }],
  ['images-light', `${P}/images`, { height: 520 }],
  ['operation-dark', 'RUNNING', { theme: 'dark', width: 1120, height: 580 }],
  ['application-light', `${P}/apps/storefront`],
  ['topology-light', `${P}/apps/storefront/topology`],
  ['topology-dark', `${P}/apps/storefront/topology`, { theme: 'dark' }],
  ['components-light', `${P}/apps/storefront/components?component=api`],
  ['application-dark', `${P}/apps/notes`, { theme: 'dark', width: 1200, height: 720 }],
  ['runs-light', `${P}/apps/nightly`, { height: 520 }],
  ['events-light', `${P}/apps/worker`, { height: 900, act: openInstance }],
  ['audit-light', `${P}/org/audit`, { height: 620 }],
  ['releases-light', `${P}/apps/storefront/releases?from=4&to=7&rollback=4`],
  ['gateway-dark-zh', `${P}/gateway`, { theme: 'dark', language: 'zh' }],
  ['workloads-light', `${P}/org/workloads`, { height: 960 }],
  ['objects-light', `${P}/org/clusters/prod/objects`, { height: 520 }],
  ['overview-phone', P, { width: 390, height: 844 }],
]
async function paste(page) {
  await page.locator('textarea').fill(sheet)
  await page.keyboard.press('Control+Enter')
  await page.getByRole('tab').first().waitFor()
}
async function openInstance(page) {
  await page.getByRole('button', { name: /ff6u/ }).click()
  await page.getByText('decoding').first().waitFor()
}
const realShots = [
  ['clusters-light', 'org/clusters/prod', { height: 900 }],
  ['clusters-dark', 'org/clusters', { theme: 'dark', height: 560 }],
]
/** Names of pictures; all when none is given. */
const only = process.argv.slice(2)
const wanted = ([name]) => only.length === 0 || only.includes(name)
const browser = await launch()

async function shoot(url, path, name, options, signIn) {
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1280, height: options.height ?? 800 },
    timezoneId: 'UTC',
    colorScheme: options.theme ?? 'light',
    locale: options.language === 'zh' ? 'zh-CN' : 'en-GB',
    reducedMotion: 'reduce',
    storageState: options.state,
  })
  const page = await context.newPage()
  await signIn?.(page)
  await page.goto(url + path)
  await page.locator('h1').first().waitFor({ state: 'attached' })
  await options.act?.(page)
  await page.evaluate(() => document.fonts.ready)
  await page.waitForTimeout(900)
  const file = `${folder}${name}.png`
  await page.screenshot({ path: file })
  console.log(`${name} ${Math.round(statSync(file).size / 1000)} kB`)
  await context.close()
}

async function shootReal(url, token) {
  const context = await browser.newContext()
  const answer = await context.request.post(`${url}/api/v1/session/link`, { data: { token } })
  if (!answer.ok()) throw new Error(`the sign-in link was refused: ${await answer.text()}`)
  const { team, environment } = await answer.json()
  const state = await context.storageState()
  await context.close()
  for (const [name, path, options] of realShots.filter(wanted))
    await shoot(url, `/t/${team}/e/${environment}/${path}`, name, { ...options, state })
}

async function shootMock([name, path, options = {}]) {
  const mock = await startMock({ data: options.data, still: true })
  const running = mock.state.operations.find((one) => !one.outcome)
  const at = path === 'RUNNING' ? `${P}/operations/${running.id}` : path
  await shoot(mock.url, at, name, options, (page) =>
    page.request.post(`${mock.url}/api/v1/session`, { data: { name: 'mei', password: 'correct horse' } }),
  )
  mock.close()
}

if (process.env.PLUVIO_URL) await shootReal(process.env.PLUVIO_URL, process.env.PLUVIO_TOKEN)
else for (const shot of shots.filter(wanted)) await shootMock(shot)
await browser.close()
process.exit(0)
