// Looks: node tests/shots.mjs FOLDER [name…]. Pictures for whoever works on a page.

import { mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { launch } from './browser.mjs'
import { startMock } from './mock.mjs'

void chromium
const [folder, ...only] = process.argv.slice(2)
mkdirSync(folder, { recursive: true })
const P = '/t/paperlane/e/production'
const A = `${P}/apps/storefront`
const shots = [
  ['overview', P],
  ['overview-dark', P, { theme: 'dark' }],
  ['overview-390', P, { width: 390 }],
  ['welcome', `${P}/welcome`, { empty: true }],
  ['welcome-390', `${P}/welcome`, { empty: true, width: 390 }],
  ['create', `${P}/create`],
  ['plan', `${P}/create?sample=node`],
  ['plan-390', `${P}/create?sample=node`, { width: 390 }],
  ['apps', `${P}/apps`],
  ['app', A],
  ['app-dark', A, { theme: 'dark' }],
  ['app-390', A, { width: 390 }],
  ['notes-dark', `${P}/apps/notes`, { theme: 'dark' }],
  ['worker', `${P}/apps/worker`],
  ['runs', `${P}/apps/nightly`],
  ['runs-dark-zh', `${P}/apps/nightly`, { theme: 'dark', lang: 'zh' }],
  ['runs-390', `${P}/apps/nightly`, { width: 390 }],
  ['audit', `${P}/org/audit`],
  ['audit-dark-zh', `${P}/org/audit?all=true`, { theme: 'dark', lang: 'zh' }],
  ['audit-390', `${P}/org/audit`, { width: 390 }],
  ['clusters', `${P}/org/clusters`],
  ['clusters-dark-zh', `${P}/org/clusters`, { theme: 'dark', lang: 'zh' }],
  ['clusters-390', `${P}/org/clusters`, { width: 390 }],
  ['clusters-none', `${P}/org/clusters`, { empty: true }],
  ['cluster', `${P}/org/clusters/prod`],
  ['cluster-dark', `${P}/org/clusters/prod`, { theme: 'dark' }],
  ['cluster-390', `${P}/org/clusters/prod`, { width: 390 }],
  ['cluster-away', `${P}/org/clusters/edge`],
  ['objects', `${P}/org/clusters/prod/objects`],
  ['objects-dark-zh', `${P}/org/clusters/prod/objects`, { theme: 'dark', lang: 'zh' }],
  ['objects-390', `${P}/org/clusters/prod/objects`, { width: 390 }],
  ['workloads', `${P}/org/workloads`],
  ['workloads-dark-zh', `${P}/org/workloads`, { theme: 'dark', lang: 'zh' }],
  ['workloads-390', `${P}/org/workloads`, { width: 390 }],
  ['topology', `${A}/topology`],
  ['topology-dark', `${A}/topology`, { theme: 'dark' }],
  ['topology-dark-zh', `${P}/topology`, { theme: 'dark', lang: 'zh' }],
  ['topology-390', `${A}/topology`, { width: 390 }],
  ['components', `${A}/components?component=api`],
  ['components-dark-zh', `${A}/components?component=web`, { theme: 'dark', lang: 'zh' }],
  ['components-390', `${A}/components?component=api`, { width: 390 }],
  ['add', `${A}/components?add=true`],
  ['parts', `${P}/create?from=parts`],
  ['logs', `${A}/logs`, { theme: 'dark' }],
  ['terminal', `${A}/terminal`],
  ['environment', `${A}/environment`],
  ['releases', `${A}/releases?from=4&to=7&rollback=4`],
  ['releases-390', `${A}/releases`, { width: 390 }],
  ['settings', `${A}/settings`],
  ['settings-390', `${A}/settings`, { width: 390 }],
  ['operations', `${P}/operations`],
  ['operation', 'RUNNING'],
  ['operation-zh-dark', 'RUNNING', { theme: 'dark', lang: 'zh' }],
  ['operation-390', 'RUNNING', { width: 390 }],
  ['failed', 'FAILED'],
  ['gateway', `${P}/gateway`, { theme: 'dark', lang: 'zh' }],
  ['signin', '/signin', { out: true }],
  ['error', P, { fail: true }],
  ['overview-zh', P, { lang: 'zh' }],
]
const browser = await launch()
const mocks = {}
for (const [name, path, options = {}] of shots) {
  if (only.length && !only.includes(name)) continue
  const kind = options.empty ? 'empty' : options.fail ? 'fail' : 'full'
  mocks[kind] ??= await startMock({
    data: kind === 'empty' ? 'empty' : 'full',
    fail: kind === 'fail',
    still: true,
  })
  const mock = mocks[kind]
  const find = (test) => `${P}/operations/${mock.state.operations.find(test)?.id}`
  const to =
    path === 'RUNNING'
      ? find((one) => !one.outcome)
      : path === 'FAILED'
        ? find((one) => one.outcome?.outcome === 'failed')
        : path
  const context = await browser.newContext({
    viewport: { width: options.width ?? 1440, height: options.width ? 844 : 900 },
    timezoneId: 'UTC',
    colorScheme: options.theme ?? 'light',
    locale: options.lang === 'zh' ? 'zh-CN' : 'en-GB',
    hasTouch: !!options.width,
  })
  const page = await context.newPage()
  page.on('pageerror', (error) => console.log(name, 'ERROR', error.message))
  page.on(
    'console',
    (message) =>
      message.type() === 'error' &&
      !message.text().includes('401') &&
      console.log(name, message.text().slice(0, 300)),
  )
  if (!options.out)
    await page.request.post(`${mock.url}/api/v1/session`, {
      data: { name: 'mei', password: 'correct horse' },
    })
  await page.goto(mock.url + to)
  await page.waitForTimeout(1100)
  await page.screenshot({ path: `${folder}/${name}.png` })
  await context.close()
}
await browser.close()
for (const mock of Object.values(mocks)) mock.close()
process.exit(0)
