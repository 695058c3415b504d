// The page of a database: what it says of its backups, and what can be done from it.
import assert from 'node:assert/strict'

const D = '/t/paperlane/e/production/apps/nightly/database'

export async function databases({ check, open, target, accessible }) {
  await check('database: backed up, restored by name, its address shown when asked', async () => {
    const server = await target({ pace: 100 })
    const page = await open(server)
    await page.goto(server.url + D)
    await page.getByLabel('Component').selectOption('db')
    await page.getByText('Backed up by the clock').waitFor()
    await page.getByText('99.3').waitFor()
    await accessible(page)

    assert.equal(await page.getByText('shown-once').count(), 0)
    await page.getByRole('button', { name: 'Show', exact: true }).click()
    await page.getByText('postgres://app:shown-once@db:5432/app').waitFor()

    await page.getByRole('button', { name: 'Back up now' }).click()
    await page.getByText('A backup of db begins').waitFor()
    await page.getByText('Asked for').waitFor()

    await page.getByRole('button', { name: 'Restore', exact: true }).first().click()
    const dialog = page.getByRole('dialog')
    await dialog.getByRole('button', { name: 'Restore', exact: true }).click()
    await dialog.getByText('db is not empty').waitFor()
    await dialog.getByLabel('Repeat the name').fill('db')
    await dialog.getByRole('button', { name: 'Restore', exact: true }).click()
    await dialog.getByRole('link', { name: 'It is on its way' }).waitFor()
    await page.keyboard.press('Escape')

    await page.getByLabel('Name', { exact: true }).fill('reports')
    await page.getByRole('button', { name: 'Make a user' }).click()
    await page.getByText('postgres://reports:made@db:5432/app').waitFor()
  })

  await check('database: one that was never backed up is a warning', async () => {
    const server = await target({ noBackups: true })
    const page = await open(server)
    await page.goto(server.url + D)
    await page.getByLabel('Component').selectOption('db')
    await page.getByText('Not backed up').waitFor()
    await page.getByText('What is lost now is lost for good').waitFor()
  })
}
