// One list of what runs on the engine and on clusters, and what is done to several of it at once.
import assert from 'node:assert/strict'

const P = '/t/paperlane/e/production'
const W = `${P}/org/workloads`

export const workloadPages = [['workloads', W, ['2 of 3', '2 / 3']]]

export async function workloads({ check, open, target, accessible }) {
  await check('workloads: the engine and clusters in one list, narrowed by words and choices', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + W)
    await page.getByText('does not answer').first().waitFor()
    const row = (name) => page.getByRole('row', { name })
    await row(/storefront web.*production.*local.*this machine/).waitFor()
    await row(/storefront web.*staging.*paperlane--staging.*prod.*worker-1 ×2/).waitFor()
    const all = await page.getByRole('row').count()
    await page.getByLabel('Cluster', { exact: true }).selectOption('prod')
    await row(/this machine/)
      .first()
      .waitFor({ state: 'detached' })
    assert.equal(await page.getByRole('row').count(), 4)
    await page.getByText(`3 of ${all - 1}`).waitFor()
    await page.getByLabel('State', { exact: true }).selectOption('degraded')
    assert.equal(await page.getByRole('row').count(), 2)
    await page.getByLabel('Kind', { exact: true }).selectOption('Schedule')
    await page.getByText('No workload matches.').waitFor()
    await accessible(page)
    await page.getByRole('button', { name: 'Show all' }).click()
    await page.getByLabel('Environment', { exact: true }).selectOption('production')
    await page.keyboard.press('Escape')
    await page.locator('body').click({ position: { x: 2, y: 2 } })
    await page.keyboard.press('/')
    await page.keyboard.type('storefront web')
    await page.keyboard.press('Escape')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/e\/production\/apps\/storefront$/)
    await page.done()
    server.close()
  })
  await check('workloads: several are restarted and scaled at once, in their environments', async () => {
    const server = await target({ pace: 20 })
    const page = await open(server)
    const asked = []
    page.on('request', (request) => {
      if (request.method() === 'POST') asked.push(decodeURIComponent(request.url().split('/teams/')[1] ?? ''))
    })
    await page.goto(server.url + W)
    await page.getByLabel('Cluster', { exact: true }).selectOption('prod')
    await page.getByRole('checkbox', { name: 'Choose all' }).focus()
    await page.keyboard.press('Space')
    const bar = page.getByRole('toolbar', { name: '3 chosen' })
    await accessible(page)
    await bar.getByRole('button', { name: 'Restart' }).click()
    await page.getByText('2 operations asked for').first().waitFor()
    await bar.waitFor({ state: 'detached' })
    const apps = 'paperlane/environments/staging/applications'
    assert.deepEqual(asked.sort(), [
      `${apps}/nightly/restart?components=purge`,
      `${apps}/storefront/restart?components=api,web`,
    ])
    await page.getByRole('checkbox', { name: 'Choose all' }).check()
    await bar.getByRole('button', { name: 'Scale…' }).click()
    const dialog = page.getByRole('dialog', { name: 'Scale 2 components' })
    await dialog.getByText('One of those chosen stays as it is').waitFor()
    await accessible(page)
    await dialog.getByLabel('Instances').fill('5')
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('row', { name: /storefront web.*5 of 5/ }).waitFor()
    await page.getByRole('checkbox', { name: 'Choose storefront web' }).check()
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('row', { name: /storefront web.*Stopped/ }).waitFor()
    await page.done()
    server.close()
  })
  await check('workloads: who may only look changes nothing; nothing runs; a narrow screen', async () => {
    const server = await target({ still: true, without: 'application:operate' })
    let page = await open(server, { width: 390, height: 844 })
    await page.goto(server.url + W)
    await page.getByRole('checkbox', { name: 'Choose storefront web' }).first().check()
    assert.ok(await page.getByRole('button', { name: 'Stop' }).isDisabled())
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(wide <= 390, `${wide} wide`)
    await accessible(page)
    await page.done()
    server.close()
    const empty = await target({ data: 'empty' })
    page = await open(empty)
    await page.goto(empty.url + W)
    await page.getByText('Nothing runs yet').waitFor()
    await accessible(page)
    await page.done()
    empty.close()
  })
}
