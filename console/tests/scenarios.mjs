// What the console must do in a browser, as stories.
import assert from 'node:assert/strict'
import { clusterPages, clusters, realCluster } from './clusters.mjs'
import { create, createPages, realCreate, realMend } from './create.mjs'
import { databases } from './database.mjs'
import { environments } from './environments.mjs'
import { imagePages, images, realImages } from './images.mjs'
import { objectPages, objects } from './objects.mjs'
import { noPasskeys, passkeys } from './passkeys.mjs'
import { records } from './records.mjs'
import { realTeam, topology, topologyPages } from './topology.mjs'
import { volumes } from './volumes.mjs'
import { workloadPages, workloads } from './workloads.mjs'

const P = '/t/paperlane/e/production'
const A = `${P}/apps/storefront`

/** Every page, with the words that tell that it is there in both languages. */
const pages = [
  ['overview', P, ['Applications', '应用']],
  ['applications', `${P}/apps`, ['storefront', 'storefront']],
  ['application', A, ['Instances', '实例']],
  ['application being deployed', `${P}/apps/notes`, ['Open operation', '打开操作']],
  ['logs', `${A}/logs`, ['payment authorisation failed', 'payment authorisation failed']],
  ['terminal', `${A}/terminal`, ['Open terminal', '打开终端']],
  ['environment', `${A}/environment`, ['PRICE_CACHE_TTL', 'PRICE_CACHE_TTL']],
  ['releases', `${A}/releases?from=4&to=7&rollback=4`, ['Roll back to r4', '回滚到 r4']],
  ['schedule', `${P}/apps/nightly`, ['Run now', '立即运行']],
  ...createPages,
  ...imagePages,
  ...topologyPages,
  ...clusterPages,
  ...objectPages,
  ...workloadPages,
  ['settings', `${A}/settings`, ['Probes', '探针']],
  ['volumes', `${P}/volumes`, ['uploads', 'uploads']],
  ['volumes of one', `${A}/volumes`, ['media', 'media']],
  ['operations', `${P}/operations`, ['Scale storefront', '伸缩 storefront']],
  ['operation', 'RUNNING', ['Usually done by', '通常用时']],
  ['failed operation', 'FAILED', ['release.not-ready', 'release.not-ready']],
  ['audit', `${P}/org/audit`, ['secret:read', 'secret:read']],
  ['gateway', `${P}/gateway`, ['shop.paperlane.test', 'shop.paperlane.test']],
  ['create', `${P}/create`, ['What do you want to run?', '您想运行什么？']],
  ['create from Git', `${P}/create?from=git`, ['Repository', '仓库地址']],
  ['plan', `${P}/create?sample=node`, ['Create and deploy', '新建并部署']],
  ['welcome', `${P}/welcome`, ['This machine', '这台机器']],
  ['password', '/password', ['Set a password', '设置密码']],
  ['passkeys', '/passkeys', ['Your passkeys', '您的通行密钥']],
  ['no such page', `${P}/nowhere`, ['There is no such page', '没有这个页面']],
  ['no such application', `${P}/apps/nowhere`, ['not-found', 'not-found']],
]

const addressOf = (server, path) => {
  const find = (test) => `${server.url}${P}/operations/${server.state.operations.find(test).id}`
  if (path === 'RUNNING') return find((one) => !one.outcome)
  if (path === 'FAILED') return find((one) => one.outcome?.outcome === 'failed')
  return server.url + path
}
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement
    if (!element || element === document.body) return ''
    return (element.getAttribute('aria-label') || element.textContent || element.tagName)
      .trim()
      .replace(/\s+/g, ' ')
      .slice(0, 60)
  })

/** Presses Tab until the named thing has the focus; fails on a trap and on a focus that cannot be seen. */
async function tabTo(page, wanted, { most = 60, key = 'Tab' } = {}) {
  const seen = []
  for (let i = 0; i < most; i += 1) {
    await page.keyboard.press(key)
    const name = await focused(page)
    seen.push(name)
    if (name.startsWith(wanted)) {
      const ring = await page.evaluate(() => {
        const style = getComputedStyle(document.activeElement)
        const { height, width } = document.activeElement.getBoundingClientRect()
        return (
          style.outlineStyle !== 'none' &&
          Number.parseFloat(style.outlineWidth) >= 2 &&
          height > 0 &&
          width > 0
        )
      })
      assert.ok(ring, `the focus on “${name}” cannot be seen`)
      return
    }
  }
  assert.fail(`“${wanted}” was not reached: ${seen.join(' → ')}`)
}

export async function scenarios({ check, open, target, accessible, real }) {
  if (real) return realServer({ check, open, target, accessible })

  const full = await target({ still: true })
  for (const language of ['en', 'zh'])
    for (const theme of ['light', 'dark']) {
      const page = await open(full, { theme, language })
      for (const [name, path, words] of pages)
        await check(`axe: ${name}, ${theme}, ${language}`, async () => {
          page.errors.length = 0
          await page.goto(addressOf(full, path))
          await page
            .getByText(words[language === 'zh' ? 1 : 0])
            .first()
            .waitFor()
          await accessible(page)
          assert.deepEqual(page.errors, [])
        })
      page.errors.length = 0
      await page.done()
    }
  // 320 px is 1280 px at 400 % (WCAG 1.4.10).
  for (const width of [390, 320]) {
    const phone = await open(full, { width, height: 844 })
    for (const [name, path] of pages)
      await check(`${width} px: ${name} does not scroll sideways`, async () => {
        const page = phone
        await page.goto(addressOf(full, path))
        await page.waitForLoadState('load')
        await page.locator('h1, h2').first().waitFor({ state: 'attached' })
        await page.waitForTimeout(250)
        const wide = await page.evaluate(() => {
          const main = document.querySelector('main') ?? document.documentElement
          const over = [document.documentElement, main].map((one) => one.scrollWidth - one.clientWidth)
          if (Math.max(...over) <= 1) return ''
          const wider = [...document.querySelectorAll('main *')].filter(
            (one) => one.getBoundingClientRect().right > innerWidth + 1,
          )
          return `${Math.max(...over)} px: ${wider
            .slice(0, 3)
            .map((one) => one.outerHTML.slice(0, 120))
            .join(' | ')}`
        })
        assert.equal(wide, '')
      })
    await phone.done()
  }
  await check('390 px: axe on the pages of a phone', async () => {
    for (const path of [
      P,
      A,
      `${P}/apps/nightly`,
      `${P}/org/audit`,
      `${A}/environment`,
      `${A}/releases`,
      `${P}/create?sample=node`,
    ]) {
      const page = await open(full, { width: 390, height: 844, theme: 'dark' })
      await page.goto(addressOf(full, path))
      await page.locator('h1').first().waitFor({ state: 'attached' })
      await page.waitForTimeout(300)
      await accessible(page)
      await page.done()
    }
  })
  await check('a route change is drawn within a second', async () => {
    const page = await open(full)
    await page.goto(full.url + P)
    await page.getByRole('link', { name: 'storefront' }).first().waitFor()
    for (const [link, words] of [
      ['Gateway', 'shop.paperlane.test'],
      ['Operations', 'Scale storefront'],
      ['storefront Running', 'Current release'],
    ]) {
      const started = Date.now()
      await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: link }).click()
      await page.getByText(words).first().waitFor()
      assert.ok(Date.now() - started < 1000, `${link} took ${Date.now() - started} ms`)
    }
    await page.done()
  })
  await check('nothing reads a secret: no page asks for its value', async () => {
    const page = await open(full)
    await page.goto(`${full.url}${A}/environment`)
    await page.getByText('SESSION_KEY').first().waitFor()
    await page.getByRole('button', { name: 'Replace' }).first().click()
    assert.equal(
      (await page.getByRole('textbox', { name: 'Value' }).count()) > 0
        ? ''
        : await page.locator('input[type=password]').inputValue(),
      '',
    )
    await page.done()
  })
  full.close()

  for (const [name, options, words] of [
    [
      'empty',
      { data: 'empty' },
      {
        [P]: 'Nothing is running yet',
        [`${P}/apps`]: 'No applications yet',
        [`${P}/operations`]: 'Nothing has been asked for yet',
        [`${P}/gateway`]: 'No routes yet',
      },
    ],
    [
      'error',
      { fail: true },
      {
        [P]: 'internal',
        [`${P}/apps`]: 'internal',
        [`${P}/operations`]: 'internal',
        [`${P}/gateway`]: 'internal',
        [`${P}/org/audit`]: 'internal',
        [A]: 'internal',
      },
    ],
  ]) {
    const server = await target(options)
    for (const theme of ['light', 'dark'])
      for (const [path, text] of Object.entries(words))
        await check(`axe: ${name} ${path.slice(P.length) || '/'}, ${theme}`, async () => {
          const page = await open(server, { theme })
          await page.goto(server.url + path)
          await page.getByText(text).first().waitFor()
          await accessible(page)
          await page.done()
        })
    server.close()
  }
  await flows({ check, open, target, accessible })
}

async function flows({ check, open, target, accessible }) {
  await noPasskeys({ check, open, target, accessible })
  await records({ check, open, target, accessible })
  await volumes({ check, open, target, accessible })
  await topology({ check, open, target, accessible })
  await environments({ check, open, target, accessible })
  await clusters({ check, open, target, accessible })
  await objects({ check, open, target, accessible })
  await workloads({ check, open, target, accessible })
  await create({ check, open, target, accessible })
  await images({ check, open, target, accessible })
  await databases({ check, open, target, accessible })
  await check('sign-in: the link of the machine, then a password, then by password', async () => {
    const server = await target({ passwordUnset: true })
    const page = await open(server, { signedIn: false })
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await accessible(page)
    await page.goto(`${server.url}/signin?token=first-link`)
    await page.getByRole('heading', { name: 'Set a password' }).waitFor()
    assert.ok(!page.url().includes('first-link'), 'the token stays in the address')
    await page.getByLabel('New password').fill('rain on the roof')
    await page.getByLabel('The same again').fill('rain on the door')
    await page.getByRole('button', { name: 'Set password' }).click()
    await page.getByText('The two are not the same.').waitFor()
    await page.getByLabel('The same again').fill('rain on the roof')
    await page.getByRole('button', { name: 'Set password' }).click()
    await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor({ state: 'attached' })
    await page.getByRole('button', { name: /Language, theme, account/ }).click()
    await page.getByRole('menuitem', { name: 'Sign out' }).click()
    await page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await page.getByLabel('Password').fill('wrong words here')
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await page.getByText('The sign-in is not valid').waitFor()
    await page.getByLabel('Password').fill('rain on the roof')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor({ state: 'attached' })
    // The link was good for one use.
    await page.goto(`${server.url}/signin?token=first-link`)
    await page.getByText('The sign-in link is not valid').waitFor()
    await page.done()
    server.close()
  })
  await check(
    'an address asked for while signed out is opened after sign-in, one of another site is not',
    async () => {
      const server = await target({})
      const page = await open(server, { signedIn: false })
      await page.goto(`${server.url}${A}/logs`)
      await page.getByLabel('Name').fill('mei')
      await page.getByLabel('Password').fill('correct horse')
      await page.keyboard.press('Enter')
      await page.getByRole('log').waitFor()
      assert.ok(page.url().includes('/logs'))
      await page.goto(`${server.url}/signin?next=//evil.example`)
      await page.getByLabel('Name').fill('mei')
      await page.getByLabel('Password').fill('correct horse')
      await page.keyboard.press('Enter')
      await page.getByRole('heading', { name: 'Overview', exact: true }).waitFor({ state: 'attached' })
      await page.done()
      server.close()
    },
  )
  await check('keyboard: a first deploy from nothing to running', async () => {
    const server = await target({ data: 'empty', pace: 150 })
    const page = await open(server)
    await page.goto(server.url)
    await page.getByText('Nothing is running yet').waitFor()
    await tabTo(page, 'Skip to content')
    await tabTo(page, 'Deploy the sample')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: /Deploy node/ }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await tabTo(page, 'Open node')
    await page.keyboard.press('Enter')
    await page.getByText('node.localhost:8080').first().waitFor()
    await page.done()
    server.close()
  })
  await check('keyboard: roll back', async () => {
    const server = await target({ pace: 100 })
    const page = await open(server)
    await page.goto(server.url + A)
    await page.getByText('Current release').waitFor()
    await page.keyboard.press('7')
    await page.getByText('7 releases').waitFor()
    // Down to r4, pick it, then its button.
    for (let i = 0; i < 4; i += 1) await page.keyboard.press('j')
    assert.match(await focused(page), /r4/)
    await page.keyboard.press('x')
    await tabTo(page, 'Roll back to r4')
    await page.keyboard.press('Enter')
    await page.getByText(/Makes r8/).waitFor()
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: /Roll storefront back/ }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await page.done()
    server.close()
  })
  await check('keyboard: the palette opens, narrows, runs, and gives the focus back', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + A)
    await page.getByText('Current release').waitFor()
    await tabTo(page, 'Overview')
    const before = await focused(page)
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').waitFor()
    await accessible(page)
    await page.keyboard.press('Escape')
    await page.getByRole('combobox').waitFor({ state: 'detached' })
    assert.equal(await focused(page), before)
    await page.keyboard.press('Control+k')
    await page.keyboard.type('gate')
    await page.getByRole('option', { name: /Gateway/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.getByText('shop.paperlane.test').first().waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('p')
    await page.getByText('Scale storefront').first().waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'All keys' }).waitFor()
    await accessible(page)
    await page.keyboard.press('Escape')
    await page.done()
    server.close()
  })
  await check('create: a folder is packed, planned, named, and deployed only when told to', async () => {
    const server = await target({ pace: 60 })
    const page = await open(server)
    await page.goto(`${server.url}${P}/create`)
    const before = server.state.operations.length
    await page
      .getByTestId('archive')
      .setInputFiles({ name: 'guestbook.tar.gz', mimeType: 'application/gzip', buffer: Buffer.from('x') })
    await page.getByText('package.json names the program').waitFor()
    assert.equal(server.state.operations.length, before, 'something ran before it was asked for')
    const name = page.getByLabel('Name of the application')
    await name.fill('storefront')
    await page.getByText('storefront.localhost:8080').waitFor()
    await page.getByRole('button', { name: /Create and deploy/ }).click()
    await page.getByText('The name is taken').waitFor()
    await name.fill('Guest Book')
    assert.ok(await page.getByRole('button', { name: /Create and deploy/ }).isDisabled())
    await name.fill('guestbook')
    await page.getByText('guestbook.localhost:8080').waitFor()
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: /Deploy guestbook/ }).waitFor()
    await page.done()
    server.close()
  })
  await check('create: a Git host that is not there is said with what helps', async () => {
    const server = await target({})
    const page = await open(server)
    await page.goto(`${server.url}${P}/create?from=git`)
    await page.getByLabel('Repository', { exact: true }).fill('https://nowhere.test/app.git')
    await page.keyboard.press('Enter')
    await page.getByText('The Git host cannot be reached').waitFor()
    await page.getByText('What helps:').waitFor()
    await page.done()
    server.close()
  })
  await check('environment: a change is previewed, applied, and becomes a release', async () => {
    const server = await target({ pace: 60 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/environment`)
    await page.getByLabel('Name', { exact: true }).fill('FEATURE_X')
    await page.getByLabel('Value', { exact: true }).fill('on')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /Review change/ }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByText('env FEATURE_X').waitFor()
    await accessible(page)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: /Configure storefront/ }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await page.goto(`${server.url}${A}/environment`)
    await page.getByText('FEATURE_X').waitFor()
    await page.done()
    server.close()
  })
  await check('delete: only with the name, and it says what stays', async () => {
    const server = await target({ pace: 60 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/settings`)
    await page.getByRole('button', { name: 'Delete storefront…' }).click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByText('uploads (1.3 GiB)').waitFor()
    await accessible(page)
    await page.keyboard.type('storefron')
    assert.ok(await dialog.getByRole('button', { name: 'Delete' }).isDisabled())
    await page.keyboard.type('t')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: /Delete storefront/ }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await page.goto(`${server.url}${P}/apps`)
    await page.getByText('Thumbnail worker').waitFor()
    assert.equal(await page.getByRole('link', { name: /^storefront/ }).count(), 0)
    await page.done()
    server.close()
  })
  await check('terminal: types, hears, ends, and lets go of the keyboard', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(`${server.url}${A}/terminal`)
    await page.getByRole('button', { name: 'Open terminal' }).click()
    const screen = page.locator('.xterm-accessibility')
    await page.waitForFunction(() =>
      document.querySelector('.xterm-accessibility')?.textContent.includes('/srv #'),
    )
    await page.keyboard.type('uname\r')
    await page.waitForFunction(() =>
      document.querySelector('.xterm-accessibility')?.textContent.includes('Linux'),
    )
    await page.keyboard.press('Control+Shift+K')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main')
    await screen.first().waitFor({ state: 'attached' })
    await page.done()
    server.close()
  })
  await check('logs: live lines come, pause holds them, find narrows', async () => {
    const server = await target({ pace: 100 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/logs`)
    const log = page.getByRole('log')
    await log.getByText('payment authorisation failed').first().waitFor()
    await page.keyboard.press('Space')
    await page.getByRole('button', { name: /Resume/ }).waitFor()
    await page.keyboard.press('/')
    await page.keyboard.type('price cache')
    await log.getByText('price cache').first().waitFor()
    await page.waitForFunction(() => !document.querySelector('[role=log]').textContent.includes('payment'))
    await page.done()
    server.close()
  })
  await check('live: what happens elsewhere is seen, and silence is said', async () => {
    const server = await target({ pace: 200 })
    const page = await open(server)
    await page.goto(server.url + P)
    await page.getByText('r7 since').waitFor()
    const csrf = (await (await page.request.get(`${server.url}/api/v1/session`)).json()).csrf
    await page.request.post(
      `${server.url}/api/v1/teams/paperlane/environments/production/applications/storefront/stop`,
      { data: {}, headers: { 'x-pluvio-csrf': csrf } },
    )
    await page.getByText('Stop storefront').first().waitFor()
    await page.getByText('Stopped').first().waitFor()
    server.close()
    await page.getByText(/Last seen .* ago/).waitFor({ timeout: 20_000 })
    page.errors.length = 0
    await page.done()
  })
  await check('language and theme are kept, and no message is left out', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + P)
    await page.getByRole('button', { name: /Language, theme, account/ }).click()
    await page.getByRole('menuitemradio', { name: '中文' }).click()
    await page.getByText('需要您处理').waitFor()
    await page.keyboard.press('Escape')
    await page.reload()
    await page.getByText('需要您处理').waitFor()
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN')
    await page.done()
    server.close()
  })
}

/** The same stories, as far as they hold for any server: nothing is assumed of its data but that it can deploy a sample. */
async function realServer({ check, open, target, accessible }) {
  await passkeys({ check, open, target, accessible })
  await realCluster({ check, open, target, accessible })
  await realCreate({ check, open, target, accessible })
  await realMend({ check, open, target, accessible })
  await realImages({ check, open, target, accessible })
  await realTeam({ check, open, target, accessible })
  const server = await target()
  await check('real: the first page is accessible, light and dark, in both languages', async () => {
    for (const theme of ['light', 'dark'])
      for (const language of ['en', 'zh']) {
        const page = await open(server, { theme, language })
        await page.goto(server.url)
        await page.locator('h1').first().waitFor({ state: 'attached' })
        await page.waitForTimeout(500)
        await accessible(page)
        await page.done()
      }
  })
  let app = ''
  await check('real: a sample is planned and deployed', async () => {
    const page = await open(server)
    page.setDefaultTimeout(300_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    await page.goto(`${server.url}${base}/create?sample=static`)
    const name = page.getByLabel('Name of the application')
    await name.waitFor()
    app = `walk-${Date.now().toString(36)}`
    await name.fill(app)
    await page.getByText(`${app}.`).first().waitFor()
    await page.getByRole('button', { name: /Create and deploy/ }).click()
    await page.getByRole('heading', { name: new RegExp(`Deploy ${app}`) }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await accessible(page)
    await page.getByRole('link', { name: `Open ${app}` }).click()
    await page.getByText('Ready').first().waitFor()
    await accessible(page)
    await page.done()
  })
  await check('real: a variable is set after a preview, then rolled back after another', async () => {
    const page = await open(server)
    page.setDefaultTimeout(120_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    await page.goto(`${server.url}${base}/apps/${app}/environment`)
    await page.getByLabel('Name', { exact: true }).fill('GREETING')
    await page.getByLabel('Value', { exact: true }).fill('hello')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /Review change/ }).click()
    await page.getByRole('dialog').getByText('GREETING').first().waitFor()
    await accessible(page)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: new RegExp(`Configure ${app}`) }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await page.goto(`${server.url}${base}/apps/${app}/releases?rollback=1&from=1&to=2`)
    await page.getByText(/Makes r3/).waitFor()
    await page.getByText('GREETING').first().waitFor()
    await accessible(page)
    await page.keyboard.press('Control+Enter')
    await page.getByRole('heading', { name: new RegExp(`Roll ${app} back`) }).waitFor()
    await page.getByText('Succeeded').first().waitFor()
    await page.done()
  })
  await check('real: every tab of an application is accessible and fits 390 px', async () => {
    const page = await open(server, { width: 390, height: 844 })
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    for (const tab of [
      '',
      '/topology',
      '/components',
      '/logs',
      '/terminal',
      '/environment',
      '/releases',
      '/settings',
    ]) {
      await page.goto(`${server.url}${base}/apps/${app}${tab}`)
      await page.getByRole('tab', { selected: true }).waitFor()
      await page.waitForTimeout(600)
      await accessible(page)
      const wide = await page.evaluate(() => document.querySelector('main').scrollWidth - innerWidth)
      assert.ok(wide <= 1, `${tab} is ${wide} px too wide`)
    }
    await page.done()
  })
  await check('real: it is deleted by its name', async () => {
    const page = await open(server)
    page.setDefaultTimeout(120_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    await page.goto(`${server.url}${base}/apps/${app}/settings`)
    await page.getByRole('button', { name: new RegExp(`Delete ${app}`) }).click()
    await page.getByRole('alertdialog').waitFor()
    await page.keyboard.type(app)
    await page.keyboard.press('Enter')
    await page.getByText('Succeeded').first().waitFor()
    await page.done()
  })
}
