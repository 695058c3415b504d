// What people already have: pasted, chosen as files, fetched from an address; the plan with its report, then a deploy.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'

const P = '/t/paperlane/e/production'

export const createPages = [['create by paste', `${P}/create?from=paste`, ['Choose files', '选择文件']]]

export async function create({ check, open, target, accessible }) {
  await check('create: a pasted text is understood, with its report on its own lines', async () => {
    const server = await target({ still: true })
    for (const [theme, language, see] of [
      ['light', 'en', 'See the plan'],
      ['dark', 'zh', '查看计划'],
    ]) {
      const page = await open(server, { theme, language })
      await page.goto(`${server.url}${P}/create?from=paste`)
      await page.locator('textarea').fill('services:\n  web:\n    image: nginx\n    isolation: hyperv\n')
      await page.getByRole('button', { name: see }).click()
      const deploy = page.getByRole('button', {
        name: language === 'en' ? /Create and deploy/ : /新建并部署/,
      })
      await deploy.waitFor()
      assert.ok(await deploy.isDisabled(), 'a refused key is left out only when somebody says so')
      await accessible(page)
      await page.getByRole('checkbox').check()
      assert.ok(await deploy.isEnabled())
      await page.done()
    }
    server.close()
  })
  await check(
    'create: a file is fetched by the server, which says what is wrong with an address',
    async () => {
      const server = await target({ still: true })
      const page = await open(server, { width: 390, height: 844 })
      await page.goto(`${server.url}${P}/create?from=paste`)
      await page.locator('textarea').fill('https://10.0.0.1/compose.yaml')
      await page.getByRole('button', { name: 'See the plan' }).click()
      await page.getByText('The address cannot be fetched').waitFor()
      await accessible(page)
      await page.locator('textarea').fill('https://example.org/compose.yaml')
      await page.getByRole('button', { name: 'See the plan' }).click()
      await page.getByRole('tab', { name: 'compose.yaml' }).waitFor()
      await page.done()
      server.close()
    },
  )
}

const look = (page, name) =>
  process.env.PLUVIO_LOOKS ? page.screenshot({ path: `${process.env.PLUVIO_LOOKS}/${name}.png` }) : undefined

/** With PLUVIO_TEST_IMAGE, an image of a program that listens on $PORT and is on the engine already. */
export async function realCreate({ check, open, target, accessible }) {
  const image = process.env.PLUVIO_TEST_IMAGE
  if (!image) return
  const server = await target()
  const start = async (options) => {
    const page = await open(server, options)
    page.setDefaultTimeout(60_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    const create = (from) => page.goto(`${server.url}${base}/create?from=${from}`)
    return { page, create }
  }
  await check('real: a compose file becomes an application', async () => {
    const { page, create } = await start()
    await create('paste')
    const box = page.getByLabel('A text, or the URL of a file')
    const deploy = page.getByRole('button', { name: /Create and deploy/ })

    // A compose file that asks for a value, weakens security, and has a key that cannot be kept.
    await box.fill(`name: shelf
services:
  web:
    image: ${image}
    command: /serve
    isolation: hyperv
    cap_add: [NET_ADMIN]
    ports: ["8080:8080"]
    environment:
      TITLE: \${TITLE:?what the shelf is called}
      LEVEL: \${LEVEL:-info}
      NOTE: \${NOTE}
`)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: 'Compose file' }).waitFor()
    await page.getByText('The source asks for values').waitFor()
    await page.getByText('what the shelf is called').first().waitFor()
    assert.ok(await deploy.isDisabled())
    await look(page, 'ask-light')
    await accessible(page)
    await page.getByLabel('TITLE').fill('Books')
    await page.keyboard.press('Enter')
    await page.getByText('The source asks for values').waitFor({ state: 'detached' })
    // One that may be left out is asked for aside.
    const aside = page.getByText('1 variable can be given a value')
    await aside.click()
    await look(page, 'unset-light')
    await accessible(page)
    await page.getByLabel('NOTE').fill('new')
    await page.keyboard.press('Enter')
    await aside.waitFor({ state: 'detached' })
    await page.getByLabel('NOTE').waitFor()

    // The report is on the lines, and its lines can be gone to.
    await page.getByText('components.web.host.capabilities').waitFor()
    await page.getByText('needs host:access: you have it').waitFor()
    const region = page.getByRole('region', { name: 'Pasted text' })
    await region.getByText('refused').waitFor()
    await page.getByRole('button', { name: 'Line 6' }).first().click()
    await region.locator('[aria-current=location]').getByText('isolation').waitFor()
    await page.getByRole('tab', { name: 'becomes app.yaml' }).click()
    await page.getByRole('region', { name: 'The specification, as app.yaml' }).waitFor()
    await page.getByRole('tab', { name: 'Pasted text' }).click()
    await look(page, 'plan-light')
    await accessible(page)
    assert.ok(await deploy.isDisabled(), 'a refused key is left out only when somebody says so')
    await page.getByRole('checkbox', { name: 'Deploy without it' }).check()
    await page.getByLabel('LEVEL').fill('debug')
    await deploy.click()
    await page.getByText('Succeeded').first().waitFor()
    await page.done()
  })
  await check('real: files, lines and addresses become applications', async () => {
    const { page, create } = await start({ theme: 'dark', language: 'zh' })
    await create('paste')
    await page.getByTestId('texts').setInputFiles(
      [
        ['base.yml', `services: { web: { image: "${image}", command: /serve, environment: { A: one } } }`],
        ['live.yml', 'services: { web: { environment: { A: "${WHO}" } } }'],
        ['.env', 'WHO=two\n'],
      ].map(([name, text]) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) })),
    )
    await page.getByLabel('文件 3 的名称').waitFor()
    await look(page, 'files-dark-zh')
    await accessible(page)
    await page.getByRole('button', { name: '查看计划' }).click()
    await page.getByRole('tab', { name: 'live.yml' }).click()
    await page.getByRole('tab', { name: '转换为 app.yaml' }).click()
    await page.getByRole('region').getByText('two').first().waitFor()
    await accessible(page)

    // A line that runs a container.
    await create('paste')
    await page
      .getByLabel('一段文本，或文件的网址')
      .fill(`docker run -d --name line --privileged -e A=1 ${image} /serve`)
    await page.getByRole('button', { name: '查看计划' }).click()
    await page.getByRole('heading', { name: 'docker run' }).waitFor()
    await page.getByText('components.line.host.privileged').waitFor()
    await look(page, 'run-dark-zh')

    // From an address, through the server, which follows to the file.
    const files = createServer((request, response) => {
      if (request.url === '/go') return response.writeHead(302, { location: '/compose.yaml' }).end()
      if (request.url === '/page')
        return response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
      response.end(`services: { far: { image: "${image}", command: /serve } }`)
    })
    await new Promise((done) => files.listen(0, '127.0.0.1', done))
    const address = `http://127.0.0.1:${files.address().port}`
    try {
      await create('paste')
      await page.getByLabel('一段文本，或文件的网址').fill(`${address}/page`)
      await page.getByRole('button', { name: '查看计划' }).click()
      await page.getByText('无法获取该地址').waitFor()
      await page.getByLabel('一段文本，或文件的网址').fill(`${address}/go`)
      await page.getByRole('button', { name: '查看计划' }).click()
      await page.getByRole('tab', { name: 'compose.yaml' }).waitFor()
      await page.getByRole('heading', { name: 'Compose 文件' }).waitFor()
    } finally {
      files.close()
    }
    await page.done()
  })
}

/** C4: what stands in the way is named at once, and one click mends it. */
export async function realMend({ check, open, target, accessible }) {
  const image = process.env.PLUVIO_TEST_IMAGE
  if (!image) return
  const server = await target()
  await check('real: conflicts between components are mended by one click each', async () => {
    const page = await open(server)
    page.setDefaultTimeout(30_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    await page.goto(`${server.url}${base}/create?from=parts`)
    await page.getByRole('button', { name: 'YAML' }).click()
    const text = page.getByLabel('app.yaml', { exact: true })
    await text.fill(`apiVersion: pluvio/v1
name: knot
components:
  api:
    image: ${image}
    ports: { http: { port: 8080, protocol: http } }
    exports: { TOKEN: "a" }
    routes: []
  mail:
    image: ${image}
    exports: { TOKEN: "m" }
    routes: []
  web:
    image: ${image}
    uses: [api, mail, apu, storage]
    env: { API: "http://api:9000", CACHE: "\${cache.host}" }
  cache:
    image: ${image}
    routes: []
`)
    await page.getByRole('button', { name: 'Form' }).click()
    await page.getByRole('navigation', { name: 'Components' }).getByRole('button', { name: /web/ }).click()
    await page
      .getByText(/both export/)
      .first()
      .waitFor()
    await look(page, 'mend-light')
    await accessible(page)
    for (const offer of ['Prefix with MAIL', 'Let web use cache', 'Open the port']) {
      await page.getByRole('button', { name: offer }).first().click()
      await page.getByRole('button', { name: offer }).waitFor({ state: 'detached' })
    }
    // The one that is not there is called otherwise, and then is there twice.
    await page.getByRole('button', { name: 'Use api instead' }).click()
    await page
      .getByText(/is used twice/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: 'Take it out' }).first().click()
    await page.getByRole('button', { name: 'Take it out' }).first().click()
    await page.getByRole('button', { name: 'Take it out' }).waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'YAML' }).click()
    await page.waitForFunction(() => document.querySelector('textarea')?.value.includes('as: MAIL'))
    const made = await text.inputValue()
    assert.match(made, /tcp-9000/)
    assert.match(made, /- cache/)
    assert.doesNotMatch(made, /apu|storage/)
    await page.getByRole('button', { name: 'Show the plan' }).click()
    await page.getByRole('button', { name: /Create and deploy/ }).waitFor()
    assert.ok(await page.getByRole('button', { name: /Create and deploy/ }).isEnabled())
    await page.done()
  })
}
