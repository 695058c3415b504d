// Packs what was ordered, one after another.
import { createServer } from 'node:http'
import { database, log, onStop, queue } from './shop.js'

const db = database()
const orders = await queue()
let stopping = false
// Says that it is at work: an instance that answers here is ready.
const health = createServer((request, response) => response.end('ok\n'))
health.listen(process.env.PORT ?? 3000)
onStop(() => { stopping = true })

log('worker', 'waits for orders')
while (!stopping) {
  const next = await orders.brPop('orders', 1)
  if (!next) continue
  await db.query('update orders set packed_at = now() where id = $1 and packed_at is null', [next.element])
  log('packed', next.element)
}
health.close()
await Promise.allSettled([db.end(), orders.close()])
