// Clusters: one is added after it was looked at, seen from inside, removed; environments that are on one.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

const P = '/t/paperlane/e/production'
const C = `${P}/org/clusters`

export const clusterPages = [
  ['clusters', C, ['https://prod.paperlane.test:6443', 'https://prod.paperlane.test:6443']],
  ['cluster', `${C}/prod`, ['kubelet has disk pressure', 'kubelet has disk pressure']],
  ['cluster that is away', `${C}/edge`, ['refuses the connection', 'refuses the connection']],
]

const kubeconfig = (user = 'admin') => `apiVersion: v1
kind: Config
current-context: new
clusters:
- name: new
  cluster: {server: https://new.paperlane.test:6443}
contexts:
- context:
    cluster: new
    user: ${user}
  name: new
- name: old@old
  context:
    cluster: old
    user: ${user}
users:
- name: ${user}
  user: {token: abc}
`

export async function clusters({ check, open, target, accessible }) {
  await check('clusters: one is looked at step by step, added by keys, and removed', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + P)
    await page.getByRole('link', { name: 'storefront' }).first().waitFor()
    await page.keyboard.press('g')
    await page.keyboard.press('c')
    await page.waitForURL(/\/org\/clusters$/)
    await page.getByText('https://edge.paperlane.test:6443 refuses the connection.').waitFor()
    await page.getByText('Check that its API server runs').waitFor()
    await page.keyboard.press('n')
    const dialog = page.getByRole('dialog')
    const look = dialog.getByRole('button', { name: 'Look at the cluster' })
    assert.ok(await look.isDisabled(), 'nothing to look at yet')
    await dialog.getByLabel('Kubeconfig').fill(kubeconfig('expired'))
    assert.equal(await dialog.getByLabel('Context').inputValue(), 'new')
    assert.equal(await dialog.getByLabel('Name').inputValue(), 'new')
    await dialog.getByLabel('Context').selectOption('old@old')
    assert.equal(await dialog.getByLabel('Name').inputValue(), 'old')
    await accessible(page)
    await look.click()
    await dialog.getByText('Applications cannot run there: a step failed.').waitFor()
    await dialog.getByText('Get a new kubeconfig from whoever runs the cluster.').waitFor()
    assert.ok(await dialog.getByRole('button', { name: 'Add the cluster' }).isDisabled())
    await dialog.getByRole('button', { name: 'Back' }).click()

    await dialog.locator('input[type=file]').setInputFiles({
      name: 'config',
      mimeType: 'application/yaml',
      buffer: Buffer.from(kubeconfig()),
    })
    await dialog.getByLabel('Name').fill('fresh')
    await page.keyboard.press('Enter')
    await dialog.getByText('Applications can run there; 2 things are missing.').waitFor()
    await dialog.getByText('Install metrics-server.').waitFor()
    await accessible(page)
    // What fits what was found is chosen already.
    assert.equal(await dialog.getByLabel('Reached').inputValue(), 'node-port')
    await dialog.getByRole('button', { name: "The cluster's Gateway" }).click()
    assert.equal(await dialog.getByRole('combobox', { name: 'Gateway' }).inputValue(), 'ingress/public')
    await dialog.getByLabel('Storage class').selectOption('fast')
    await dialog.getByLabel('Domain').fill('fresh.paperlane.test')
    await dialog.getByRole('button', { name: 'Add the cluster' }).click()
    await page.waitForURL(/\/org\/clusters\/fresh$/)
    await page.getByText('ingress/public').waitFor()
    await page.getByText('fresh.paperlane.test').waitFor()

    await page.getByRole('button', { name: 'Remove fresh' }).click()
    await page.getByRole('alertdialog').waitFor()
    await accessible(page)
    await page.keyboard.type('fresh')
    await page.keyboard.press('Enter')
    await dialog.getByText('paperlane--staging/storefront--db-data').waitFor()
    await accessible(page)
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await page.waitForURL(/\/org\/clusters$/)
    await page.getByText('https://prod.paperlane.test:6443').waitFor()
    assert.equal(await page.getByRole('link', { name: 'fresh' }).count(), 0)
    await page.done()
    server.close()
  })
  await check('clusters: one that has environments stays, one that is away can be let go', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + C)
    await page.getByRole('button', { name: 'Remove prod' }).click()
    await page.getByText('Environments are on prod: paperlane/staging.').waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Remove edge' }).click()
    const dialog = page.getByRole('alertdialog')
    await dialog.getByRole('switch').click()
    await dialog.getByRole('textbox').fill('edge')
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'detached' })
    await page.getByRole('link', { name: 'edge' }).waitFor({ state: 'detached' })
    await page.done()
    server.close()
  })
  await check('clusters: nodes, what of ours runs there, what it tells', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(`${server.url}${C}/prod`)
    await page.getByText('3 of 3 ready').first().waitFor()
    await page.getByRole('img', { name: /^CPU: 5\.0 cores asked for and 2\.2 cores used of 7\.6/ }).waitFor()
    const more = page.getByRole('button', { name: 'All of control-1' })
    await more.focus()
    await page.keyboard.press('Enter')
    await page.getByText('node-role.kubernetes.io/control-plane:NoSchedule').waitFor()
    await page.getByText('2 Insufficient memory').waitFor()
    await page.getByText('14 times').waitFor()
    await accessible(page)
    await page.getByRole('row', { name: /storefront api/ }).waitFor()

    await page.done()
    server.close()
  })
  await check('clusters: an environment is placed on one, and says so', async () => {
    const server = await target({ still: true })
    const page = await open(server)
    await page.goto(server.url + P)
    const switcher = page
      .getByRole('navigation', { name: 'Main' })
      .getByRole('button', { name: /Environment/ })
    await switcher.getByText('production on local').waitFor()
    await switcher.click()
    await page.getByRole('menuitemradio', { name: /staging on prod/ }).waitFor()
    await page.getByRole('menuitem', { name: 'New environment…' }).click()
    const dialog = page.getByRole('dialog')
    await dialog.getByLabel('Name').fill('live')
    await dialog.getByLabel('Runs on').selectOption('prod')
    await accessible(page)
    await page.getByRole('button', { name: 'Make it' }).click()
    await page.waitForURL(/\/e\/live$/)
    await switcher.getByText('live on prod').waitFor()
    await switcher.click()
    await page.getByRole('menuitem', { name: 'Delete live…' }).click()
    await page.getByRole('alertdialog').waitFor()
    await page.keyboard.type('live')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/e\/production$/)
    await page.done()
    server.close()
  })
  await check('clusters: pages of an environment say that its cluster does not answer', async () => {
    const server = await target({ still: true, placed: 'edge' })
    const page = await open(server)
    for (const path of [P, `${P}/apps/storefront`]) {
      await page.goto(server.url + path)
      const banner = page.getByRole('status').filter({ hasText: 'The cluster edge does not answer' })
      await banner.getByText('edge.paperlane.test:6443 refuses the connection').waitFor()
      await banner.getByText(/since .*12/).waitFor()
      await accessible(page)
    }
    await page.getByRole('link', { name: 'The cluster', exact: true }).click()
    await page.waitForURL(/\/org\/clusters\/edge$/)
    await page.done()
    server.close()
  })
  await check('clusters: only the engine, and a person who may not see them', async () => {
    const empty = await target({ data: 'empty' })
    let page = await open(empty)
    await page.goto(empty.url + C)
    await page.getByText('Only the engine of this machine so far').waitFor()
    await accessible(page)
    await page.done()
    empty.close()
    const server = await target({ still: true, without: 'cluster:read' })
    page = await open(server)
    await page.goto(server.url + C)
    await page.getByRole('note').getByText('cluster:read').waitFor()
    const main = page.getByRole('navigation', { name: 'Main' })
    await main.getByRole('link', { name: 'Audit' }).waitFor()
    assert.equal(await main.getByRole('link', { name: 'Clusters' }).count(), 0)
    await page.done()
    server.close()
  })
}

/** With a real cluster, whose kubeconfig PLUVIO_TEST_KUBERNETES names, in a namespace of its own: others may use it. */
export async function realCluster({ check, open, target, accessible }) {
  const file = process.env.PLUVIO_TEST_KUBERNETES
  if (!file) return
  const server = await target()
  await check('real: a cluster is looked at, added, seen from inside, and removed', async () => {
    const page = await open(server)
    page.setDefaultTimeout(60_000)
    await page.goto(server.url)
    await page.waitForURL(/\/t\//)
    const base = new URL(page.url()).pathname.split('/').slice(0, 5).join('/')
    await page.goto(`${server.url}${base}/org/clusters`)
    await page.getByText('Engine of this machine', { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Add a cluster' }).click()
    const dialog = page.getByRole('dialog')
    const look = dialog.getByRole('button', { name: 'Look at the cluster' })

    // Nobody listens there: the step says so, and nothing can be added.
    const text = readFileSync(file, 'utf8')
    await dialog.getByLabel('Kubeconfig').fill(text.replace(/(https:\/\/)[^",\s]+/, '$1127.0.0.1:9'))
    await dialog.getByLabel('Name').fill('walked')
    await look.click()
    await dialog.getByText('Applications cannot run there: a step failed.').waitFor()
    assert.ok(await dialog.getByRole('button', { name: 'Add the cluster' }).isDisabled())
    await accessible(page)
    await dialog.getByRole('button', { name: 'Back' }).click()

    await dialog.getByLabel('Kubeconfig').fill(text)
    await look.click()
    await dialog.getByText(/^Applications can run there/).waitFor()
    await accessible(page)
    await dialog.getByRole('button', { name: 'Nobody' }).click()
    await dialog.getByLabel("Pluvio's namespace").fill(`pluvio-walk-${Date.now().toString(36)}`)
    await dialog.getByRole('button', { name: 'Add the cluster' }).click()
    await page.waitForURL(/\/org\/clusters\/walked$/)
    await page
      .getByText(/1 of 1 ready/)
      .first()
      .waitFor()
    await page.getByRole('button', { name: /^All of / }).click()
    await page.getByText('MemoryPressure').waitFor()
    await accessible(page)
    await page.getByRole('tab', { name: 'Objects' }).click()
    await page.getByLabel('Kind', { exact: true }).selectOption('Namespaces')
    await page.getByRole('searchbox').fill('kube-sys')
    await page.getByRole('button', { name: 'kube-system' }).click()
    const object = page.getByRole('dialog')
    await object.getByRole('region', { name: 'YAML of kube-system' }).getByText('kind: Namespace').waitFor()
    await accessible(page)
    await page.keyboard.press('Escape')
    await page.goto(`${server.url}${base}/org/workloads`)
    await page.getByText('Nothing runs yet').waitFor()
    await page.goto(`${server.url}${base}/org/clusters`)
    await page.getByRole('button', { name: 'Remove walked' }).click()
    await page.getByRole('alertdialog').getByRole('textbox').fill('walked')
    await page.keyboard.press('Enter')
    await page.getByText('walked is removed').first().waitFor()
    await page.done()
  })
}
