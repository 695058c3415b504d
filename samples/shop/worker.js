// Packs what was ordered, one after another.
import { database, log, onStop, queue } from './shop.js'

const db = database()
const orders = await queue()
let stopping = false
onStop(() => { stopping = true })

log('worker', 'waits for orders')
while (!stopping) {
  const next = await orders.brPop('orders', 1)
  if (!next) continue
  await db.query('update orders set packed_at = now() where id = $1 and packed_at is null', [next.element])
  log('packed', next.element)
}
await Promise.allSettled([db.end(), orders.close()])
