// The page: what can be bought, what was ordered, what is packed.
import { createHmac, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { currency, database, log, onStop, queue } from './shop.js'

const items = [
  ['Umbrella', 2900],
  ['Rain coat', 7900],
  ['Rubber boots', 4900],
]
const db = database()
const cache = await queue()

const sign = (visitor) => createHmac('sha256', process.env.SESSION_KEY).update(visitor).digest('hex').slice(0, 16)
const price = (cents) => `${(cents / 100).toFixed(2)} ${currency}`
const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`)

const page = async () => {
  const visits = await cache.incr('visits')
  const { rows } = await db.query('select * from orders order by id desc limit 10')
  const orders = rows.map((row) => `<li>${escape(row.item)}, ${price(row.cents)}: ${row.packed_at ? 'packed' : 'ordered'}</li>`)
  const buttons = items.map(([item, cents]) => `<button name="item" value="${item}">${item}, ${price(cents)}</button>`)
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Shop</title><style>body{font:16px/1.5 system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem}button{margin:.25rem;padding:.5rem 1rem}</style>
<h1>Shop</h1><form method="post" action="/orders">${buttons.join('')}</form>
<h2>Lately</h2><ul>${orders.join('') || '<li>nothing yet</li>'}</ul><p>${visits} visits</p></html>`
}

const body = async (request) => {
  let text = ''
  for await (const piece of request) {
    text += piece
    if (text.length > 10_000) throw Object.assign(new Error('too large'), { status: 413 })
  }
  return new URLSearchParams(text)
}

const order = async (request) => {
  const wanted = (await body(request)).get('item')
  const found = items.find(([item]) => item === wanted)
  if (!found) throw Object.assign(new Error('no such item'), { status: 400 })
  const { rows } = await db.query('insert into orders (item, cents) values ($1, $2) returning id', found)
  await cache.lPush('orders', String(rows[0].id))
  log('order', `${rows[0].id}: ${found[0]}`)
}

const answer = async (request, response) => {
  const { pathname } = new URL(request.url, 'http://shop')
  if (pathname === '/healthz') {
    await db.query('select 1')
    return response.end('ok\n')
  }
  if (pathname === '/orders' && request.method === 'POST') {
    await order(request)
    return response.writeHead(303, { location: '/' }).end()
  }
  if (pathname === '/orders') {
    const { rows } = await db.query('select id, item, packed_at is not null as packed from orders order by id')
    return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(rows))
  }
  if (pathname !== '/') return response.writeHead(404).end('not found\n')
  const visitor = randomUUID()
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  if (!request.headers.cookie) headers['set-cookie'] = `visitor=${visitor}.${sign(visitor)}; HttpOnly; SameSite=Lax`
  response.writeHead(200, headers).end(await page())
}

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    log('error', error.message)
    response.writeHead(error.status ?? 503).end(`${error.status ? error.message : 'not now'}\n`)
  })
})
// Longer than a gateway keeps idle connections, so that it ends them and not this server.
server.keepAliveTimeout = 65_000
server.listen(process.env.PORT ?? 3000, () => log('web', `listens on ${server.address().port}`))
onStop(() => server.close(async () => {
  await Promise.allSettled([db.end(), cache.close()])
}))
