// What a browser loads before the first page, and how long from a click to the next page: console.mjs LINK APPLICATION ROUNDS
// LINK is a one-time sign-in link of a running Pluvio. Prints one JSON document.
import { gzipSync } from 'node:zlib'
import { launch } from '../console/tests/browser.mjs'

const [link, app, rounds] = process.argv.slice(2)
const browser = await launch()
const { origin, searchParams } = new URL(link)

// Signed in first: what is counted is what somebody who comes back loads, with nothing cached.
const context = await browser.newContext()
const answer = await context.request.post(`${origin}/api/v1/session/link`, { data: { token: searchParams.get('token') } })
if (!answer.ok()) throw new Error(`the sign-in link was refused: ${await answer.text()}`)
const state = await context.storageState()
await context.close()

const fresh = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', storageState: state })
const tab = await fresh.newPage()
tab.setDefaultTimeout(20_000)
const devtools = await fresh.newCDPSession(tab)
await devtools.send('Network.enable')
const scripts = new Map()
let sent = 0
devtools.on('Network.responseReceived', ({ requestId, type, response }) => {
  if (type === 'Script') scripts.set(requestId, response.url)
})
devtools.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
  if (scripts.has(requestId)) sent += encodedDataLength
})
const row = tab.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: app })
await tab.goto(origin)
await row.first().waitFor()
await tab.waitForLoadState('networkidle')
const initial = [...scripts.values()]
const initialSent = sent
let gzip = 0
for (const url of initial) gzip += gzipSync(Buffer.from(await (await fetch(url)).arrayBuffer())).length

const main = (name) => tab.getByRole('navigation', { name: 'Main' }).getByRole('link', { name }).first()
const tabOf = (name) => tab.getByRole('tab', { name }).first()
/** From where one clicks to what says that the page is there, with its data. */
const walk = [
  ['applications', () => main('Applications'), () => tab.getByRole('main').getByRole('link', { name: app }).first()],
  ['application', () => main(app), () => tab.getByText('Current release').first()],
  ['logs', () => tabOf('Logs'), () => tab.getByRole('searchbox').or(tab.getByRole('log')).first()],
  ['environment', () => tabOf('Environment'), () => tab.getByLabel('Name', { exact: true }).first()],
  ['releases', () => tabOf('Releases'), () => tab.getByText('r1').first()],
  ['settings', () => tabOf('Settings'), () => tab.getByText('Probes').first()],
  ['operations', () => main('Operations'), () => tab.getByText(`Deploy ${app}`).first()],
  ['gateway', () => main('Gateway'), () => tab.getByText(`${app}.`).first()],
  ['create', () => main('Create'), () => tab.getByText('What do you want to run?').first()],
  ['overview', () => main('Overview'), () => tab.getByRole('main').getByRole('link', { name: app }).first()],
]
const changes = []
for (let round = 0; round < Number(rounds); round += 1)
  for (const [name, from, there] of walk) {
    const begun = performance.now()
    await from().click()
    await there().waitFor()
    changes.push([Math.round(performance.now() - begun), name])
  }
await browser.close()
changes.sort(([a], [b]) => a - b)
const [slowest, route] = changes.at(-1)
console.log(
  JSON.stringify({
    sent_kb: Math.round(initialSent / 1000),
    gzip_kb: Math.round(gzip / 1000),
    scripts: initial.length,
    changes: changes.length,
    median: changes[changes.length >> 1][0],
    slowest,
    slowest_route: route,
  }),
)
