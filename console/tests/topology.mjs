// Topology and the editing of components, as stories.
import assert from 'node:assert/strict'

const P = '/t/paperlane/e/production'
const A = `${P}/apps/storefront`

export const topologyPages = [
  ['topology', `${A}/topology`, ['Graph', '图']],
  ['topology of the team', `${P}/topology`, ['Graph', '图']],
  ['topology of all environments', `${P}/topology?all=true`, ['All environments', '所有环境']],
  ['components', `${A}/components`, ['What it is', '是什么']],
  ['component to be added', `${A}/components?add=true`, ['runs by the clock', '按时间运行']],
  ['create by components', `${P}/create?from=parts`, ['Show the plan', '显示计划']],
]

export async function topology({ check, open, target, accessible }) {
  await check('topology: live figures stand on the edges, the inspector tells the rest', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(`${server.url}${A}/topology`)
    await page.getByText('618/s · 19 ms').waitFor()
    await page.getByRole('button', { name: /Service api.*Running.*2 of 2 ready/ }).click()
    const inspector = page.getByRole('complementary', { name: 'Inspector: api' })
    await inspector.getByRole('button', { name: /asks db/ }).click()
    const edge = page.getByRole('complementary', { name: 'Inspector: api → db' })
    await edge.getByText('Open connections').waitFor()
    await edge.getByText('24', { exact: true }).waitFor()
    await accessible(page)
    await page.done()
    server.close()
  })

  await check('topology: of all environments of the team, and what passes between them', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(`${server.url}${P}/topology`)
    await page.getByRole('button', { name: 'All environments' }).click()
    await page.waitForURL(/all=true/)
    await page
      .getByRole('button', { name: /staging\// })
      .first()
      .click()
    const inspector = page.getByRole('complementary')
    await inspector.getByText('Environment', { exact: true }).waitFor()
    await inspector.getByRole('button', { name: /asks production\// }).waitFor()
    await accessible(page)
    await inspector.getByRole('link', { name: /Open/ }).click()
    await page.waitForURL(/\/e\/staging\/apps\//)
    await page.done()
    server.close()
  })

  await check('topology: a dependency is made by dragging, after its preview', async () => {
    const server = await target({ pace: 40 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/topology`)
    await page.getByText('618/s · 19 ms').waitFor()
    const web = page.locator('[data-node="web"]')
    await web.hover()
    const handle = await page.locator('[data-connect="web"]').boundingBox()
    const cache = await page.locator('[data-node="cache"]').boundingBox()
    await page.mouse.move(handle.x + handle.width / 2, handle.y + handle.height / 2)
    await page.mouse.down()
    await page.mouse.move(cache.x + 20, cache.y + 20, { steps: 8 })
    await page.mouse.up()
    const dialog = page.getByRole('dialog', { name: 'Let web use cache' })
    await dialog.getByText('["api","cache"]').waitFor()
    await dialog.getByRole('button', { name: /^Apply/ }).click()
    await dialog.waitFor({ state: 'hidden' })
    assert.deepEqual(server.state.apps.storefront.spec.components.web.uses, ['api', 'cache'])
    // And taken away again at the edge.
    await web.click()
    await page
      .getByRole('complementary', { name: 'Inspector: web' })
      .getByRole('button', { name: /asks cache/ })
      .click()
    await page.getByRole('button', { name: 'Remove dependency' }).click()
    const remove = page.getByRole('dialog', { name: 'Let web no longer use cache' })
    await remove.getByRole('button', { name: /^Apply/ }).click()
    await remove.waitFor({ state: 'hidden' })
    assert.deepEqual(server.state.apps.storefront.spec.components.web.uses, ['api'])
    await page.done()
    server.close()
  })

  await check('topology: the same by the keyboard alone', async () => {
    const server = await target({ pace: 40 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/topology`)
    await page.getByText('618/s · 19 ms').waitFor()
    await page.locator('[data-node="@gateway"]').focus()
    const at = () => page.evaluate(() => document.activeElement?.getAttribute('data-node'))
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(() => document.activeElement?.getAttribute('data-node') === 'web')
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(() => document.activeElement?.getAttribute('data-node') === 'api')
    await page.keyboard.press('ArrowLeft')
    await page.waitForFunction(() => document.activeElement?.getAttribute('data-node') === 'web')
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.activeElement?.hasAttribute('data-inspector'))
    await page.locator('[data-node="web"]').focus()
    assert.equal(await at(), 'web')
    await page.keyboard.press('u')
    const ask = page.getByRole('dialog', { name: 'What does web use?' })
    await ask.getByLabel('Component').selectOption('db')
    await ask.getByLabel('Prefix of its exports').fill('main')
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Let web use db' })
    await dialog.getByText('MAIN').waitFor()
    await page.keyboard.press('Control+Enter')
    await dialog.waitFor({ state: 'hidden' })
    assert.deepEqual(server.state.apps.storefront.spec.components.web.uses, [
      'api',
      { component: 'db', as: 'MAIN' },
    ])
    await page.done()
    server.close()
  })

  await check('topology: a phone has the list', async () => {
    const server = await target({ still: true })
    const page = await open(server, { width: 390, height: 844 })
    await page.goto(`${server.url}${A}/topology`)
    await page.getByRole('button', { name: 'asks api' }).waitFor()
    await page.getByText('618 requests per second', { exact: false }).first().waitFor()
    await accessible(page)
    await page.done()
    server.close()
  })

  await check('topology: who may not configure sees it and changes nothing', async () => {
    const server = await target({ still: true, without: 'application:configure' })
    const page = await open(server)
    await page.goto(`${server.url}${A}/topology`)
    await page.locator('[data-node="web"]').click()
    await page.getByRole('complementary', { name: 'Inspector: web' }).waitFor()
    assert.equal(await page.getByRole('button', { name: 'Add dependency' }).count(), 0)
    assert.equal(await page.locator('[data-connect]').count(), 0)
    await page.done()
    server.close()
  })

  await check('topology: 500 components move smoothly', async () => {
    const server = await target({ still: true, components: 500 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/topology`)
    await page.locator('[data-topology]').waitFor()
    await page.getByRole('button', { name: 'Show all' }).waitFor()
    await page.waitForTimeout(800)
    const layout = await page.evaluate(() =>
      Math.round(performance.getEntriesByName('topology layout').at(-1)?.duration ?? -1),
    )
    const box = await page.locator('[data-topology]').boundingBox()
    const pan = async () => {
      await page.evaluate(() => {
        globalThis.frames_ = []
        let last = performance.now()
        const look = (now) => {
          globalThis.frames_.push(now - last)
          last = now
          if (globalThis.frames_.length < 400) requestAnimationFrame(look)
        }
        requestAnimationFrame(look)
      })
      await page.mouse.move(box.x + box.width / 2, box.y + box.height - 30)
      await page.mouse.down()
      for (let i = 0; i < 40; i += 1)
        await page.mouse.move(
          box.x + box.width / 2 + i * 8 * (i % 2 ? 1 : -1),
          box.y + box.height - 30 - i * 6,
        )
      await page.mouse.up()
      const times = (await page.evaluate(() => globalThis.frames_.splice(0))).slice(1).sort((a, b) => a - b)
      return {
        median: Math.round(times[Math.floor(times.length / 2)]),
        p95: Math.round(times[Math.floor(times.length * 0.95)]),
      }
    }
    const farAway = await pan()
    await page.getByRole('searchbox').fill('part-8')
    await page.getByRole('searchbox').fill('')
    await page.waitForTimeout(400)
    const shown = await page.locator('[data-node]').count()
    const near = await pan()
    console.log(
      `  500 components: layout ${layout} ms; frames far away ${JSON.stringify(farAway)}, near with ${shown} cards ${JSON.stringify(near)} ms`,
    )
    assert.ok(shown > 1 && shown < 200, `${shown} cards are in the document`)
    assert.ok(layout < 1500, `the layout took ${layout} ms`)
    assert.ok(farAway.p95 < 120 && near.median < 60 && near.p95 < 400, JSON.stringify([farAway, near]))
    await page.getByRole('searchbox').fill('part-499')
    await page.locator('[data-node="part-499"]').waitFor()
    await page.done()
    server.close()
  })

  await check('components: a component is added, edited in its form and as text, and previewed', async () => {
    const server = await target({ pace: 40 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/components`)
    await page.getByRole('button', { name: 'Add component' }).click()
    const dialog = page.getByRole('dialog', { name: 'Add component' })
    await dialog.getByRole('button', { name: 'Service answers requests' }).click()
    await dialog.getByLabel('Name').fill('search')
    await dialog.getByRole('textbox', { name: 'Image' }).fill('registry.test/search:1')
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('heading', { name: 'search', level: 2 }).waitFor()
    await page.getByRole('button', { name: /^Instances and limits/ }).click()
    await page.getByLabel('Instances', { exact: true }).fill('3')
    await page.getByRole('button', { name: /^Dependencies and exports/ }).click()
    await page.getByRole('button', { name: 'Add to Uses' }).click()
    const uses = page.getByLabel('Component', { exact: true })
    await uses.fill('nobody')
    await page.getByText('There is no component nobody.').first().waitFor()
    await uses.fill('db')
    // The text has what the form says, and the form what the text says.
    await page.getByRole('button', { name: 'YAML' }).click()
    const text = page.getByRole('textbox', { name: 'app.yaml' })
    await page.waitForFunction(() => {
      const written = document.querySelector('textarea')?.value ?? ''
      return written.includes('search:1') && !written.includes('nobody')
    })
    const written = JSON.parse(await text.inputValue())
    assert.equal(written.components.search.instances, 3)
    written.components.search.instances = 4
    await text.fill(JSON.stringify(written))
    await page.getByRole('button', { name: 'Form' }).click()
    await page.waitForFunction(() => [...document.querySelectorAll('input')].some((one) => one.value === '4'))
    await page.getByRole('button', { name: /^Review/ }).click()
    const preview = page.getByRole('dialog', { name: 'Change storefront' })
    await preview.getByText('registry.test/search:1').waitFor()
    await preview.getByRole('button', { name: /^Apply/ }).click()
    await page.waitForURL('**/operations/**')
    const made = server.state.apps.storefront.spec.components.search
    assert.deepEqual([made.instances, made.uses], [4, ['db']])
    await page.done()
    server.close()
  })

  await check('components: what somebody else changed meanwhile is put together, or chosen', async () => {
    const server = await target({ pace: 40 })
    const page = await open(server)
    await page.goto(`${server.url}${A}/components?component=api`)
    const image = page.getByLabel('Image', { exact: true })
    await image.fill('ghcr.io/paperlane/api:5.0')
    // Another person is faster.
    const app = server.state.apps.storefront
    app.spec = structuredClone(app.spec)
    app.spec.components.api.image = 'ghcr.io/paperlane/api:4.3'
    app.spec.components.worker.instances = 5
    app.releases.unshift({ ...app.releases[0], number: app.releases[0].number + 1 })
    await page.getByRole('button', { name: /^Review/ }).click()
    const dialog = page.getByRole('dialog', { name: 'Change storefront' })
    await dialog.getByRole('button', { name: /^Apply/ }).click()
    await dialog.getByText('Somebody else changed the application meanwhile.').waitFor()
    await dialog.getByText('components.api.image').waitFor()
    await dialog.getByRole('button', { name: 'Theirs' }).click()
    await dialog.getByRole('button', { name: 'Mine' }).click()
    await dialog.locator('button:enabled', { hasText: 'Apply' }).waitFor()
    await accessible(page)
    await dialog.getByRole('button', { name: /^Apply/ }).click()
    await page.waitForURL('**/operations/**')
    const now = server.state.apps.storefront.spec.components
    assert.equal(now.api.image, 'ghcr.io/paperlane/api:5.0')
    assert.equal(now.worker.instances, 5)
    await page.done()
    server.close()
  })

  await check('create: an application component by component', async () => {
    const server = await target({ pace: 40 })
    const page = await open(server)
    await page.goto(`${server.url}${P}/create?from=parts`)
    await page.getByLabel('Name of the application').fill('forum')
    await page.getByRole('button', { name: 'Add component' }).click()
    const dialog = page.getByRole('dialog', { name: 'Add component' })
    await dialog.getByRole('button', { name: /^Database/ }).click()
    await dialog.getByLabel('Name').fill('db')
    await dialog.getByRole('button', { name: 'Add', exact: true }).click()
    await page.getByRole('button', { name: 'Show the plan' }).click()
    await page.getByRole('button', { name: /Create and deploy/ }).waitFor()
    await page.done()
    server.close()
  })
}

/** With PLUVIO_TEST_TEAM: an application called near in the first environment, and one called far in `staging`. */
export async function realTeam({ check, open, target, accessible }) {
  if (!process.env.PLUVIO_TEST_TEAM) return
  const server = await target()
  await check('real: the topology of a team goes across its environments', async () => {
    for (const [theme, language, all] of [
      ['light', 'en', 'All environments'],
      ['dark', 'zh', '所有环境'],
    ]) {
      const page = await open(server, { theme, language })
      page.setDefaultTimeout(30_000)
      await page.goto(server.url)
      await page.waitForURL(/\/t\//)
      const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
      await page.goto(`${server.url}${base}/topology`)
      await page.getByRole('button', { name: /near/ }).waitFor()
      assert.equal(await page.getByRole('button', { name: /staging\/far/ }).count(), 0)
      await page.getByRole('button', { name: all }).click()
      await page.getByRole('button', { name: /staging\/far/ }).click()
      await page.getByRole('complementary').getByText('production/near').last().waitFor()
      if (process.env.PLUVIO_LOOKS)
        await page.screenshot({ path: `${process.env.PLUVIO_LOOKS}/team-${theme}-${language}.png` })
      await accessible(page)
      await page.done()
    }
  })
}
