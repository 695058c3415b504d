// Images in the registry: what a team has there, deleted by name, collected, limited.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

const P = '/t/paperlane/e/production'

export const imagePages = [
  ['images', `${P}/images`, ['paperlane/tools/backup', 'paperlane/tools/backup']],
  [
    'tags',
    `${P}/images?repository=paperlane%2Fstorefront%2Fweb`,
    ['image-9d41c7be02e9', 'image-9d41c7be02e9'],
  ],
]

export async function images({ check, open, target, accessible }) {
  await check('images: none, and whoever may not see them', async () => {
    const empty = await target({ data: 'empty' })
    let page = await open(empty)
    await page.goto(`${empty.url}${P}/images`)
    await page.getByText('No images yet').waitFor()
    assert.ok(await page.getByRole('button', { name: 'Collect what nobody needs' }).isDisabled())
    await accessible(page)
    await page.done()
    empty.close()
    const server = await target({ still: true, without: 'image:read' })
    page = await open(server)
    await page.goto(`${server.url}${P}/images`)
    await page.getByRole('note').getByText('image:read').waitFor()
    assert.equal(
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Images' }).count(),
      0,
    )
    await page.done()
    server.close()
  })
  await check('images: an image that two tags name is deleted whole, by the keyboard', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(`${server.url}${P}/images`)
    await page.getByRole('link', { name: 'paperlane/storefront/web' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Delete latest' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('alertdialog')
    await dialog.getByRole('switch', { name: /Delete the image itself/ }).click()
    await accessible(page)
    await dialog.getByRole('textbox').fill('latest')
    await page.keyboard.press('Enter')
    await page.getByRole('row', { name: /image-9d41c7be02e9/ }).waitFor({ state: 'detached' })
    await page.getByRole('row', { name: /image-5d1b77aa31c0/ }).waitFor()
    await page.done()
    server.close()
  })
}

/** With PLUVIO_TEST_TOKEN, an API token of the server, which serves images on loopback. */
export async function realImages({ check, open, target, accessible }) {
  const token = process.env.PLUVIO_TEST_TOKEN
  if (!token) return
  const server = await target()
  await check('real: images of the registry are listed, limited, deleted, collected', async () => {
    for (const [theme, language] of [
      ['light', 'en'],
      ['dark', 'zh'],
    ]) {
      const page = await open(server, { theme, language })
      await page.goto(server.url)
      await page.waitForURL(/\/t\//)
      const [, , team, , env] = new URL(page.url()).pathname.split('/')
      const path = `${server.url}/t/${team}/e/${env}/images`
      await page.goto(path)
      const host = (await page.getByText(/^127\.0\.0\.1:\d+$/).textContent()) ?? ''
      await push(host, token, `${team}/tools/kettle`, ['1', 'latest'])
      await page.reload()
      await page.getByRole('link', { name: `${team}/tools/kettle` }).waitFor()
      if (process.env.PLUVIO_LOOKS)
        await page.screenshot({ path: `${process.env.PLUVIO_LOOKS}/images-${theme}-${language}.png` })
      await accessible(page)
      if (language === 'zh') {
        await page.done()
        continue
      }
      await page.getByRole('button', { name: 'Quota' }).click()
      await page.getByLabel(/^GiB/).fill('3')
      await page.keyboard.press('Enter')
      await page.getByText(/of 3(\.0)? GiB used/).waitFor()
      await page.getByRole('link', { name: `${team}/tools/kettle` }).click()
      await page.getByRole('button', { name: 'Delete latest' }).click()
      await page.getByRole('alertdialog').getByRole('textbox').fill('latest')
      await page.keyboard.press('Enter')
      await page.getByRole('row', { name: /^latest/ }).waitFor({ state: 'detached' })
      await page.getByRole('row', { name: /^1 / }).waitFor()
      await page.getByRole('button', { name: 'Collect what nobody needs' }).click()
      await page.getByRole('button', { name: 'Collect now' }).click()
      await page.getByText(/are free/).waitFor()
      await page.done()
    }
  })
}

/** Pushes an image of one small layer, as the distribution specification has it. */
async function push(host, token, repository, tags) {
  const headers = { authorization: `Bearer ${token}` }
  const blob = async (text) => {
    const bytes = Buffer.from(text)
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const url = `http://${host}/v2/${repository}/blobs/uploads/?digest=${digest}`
    const answer = await fetch(url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/octet-stream' },
      body: bytes,
    })
    assert.equal(answer.status, 201, await answer.text())
    return { digest, size: bytes.length }
  }
  const config = { mediaType: 'application/vnd.oci.image.config.v1+json', ...(await blob('{}')) }
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    ...(await blob(`layer of ${repository}`)),
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const body = JSON.stringify({ schemaVersion: 2, mediaType, config, layers: [layer] })
  for (const tag of tags) {
    const answer = await fetch(`http://${host}/v2/${repository}/manifests/${tag}`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': mediaType },
      body,
    })
    assert.equal(answer.status, 201, await answer.text())
  }
}
