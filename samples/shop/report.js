// What was sold in the last day, as a line of log.
import { currency, database, log } from './shop.js'

const db = database()
const { rows } = await db.query(
  "select count(*)::int as many, coalesce(sum(cents), 0)::int as cents from orders where placed_at > now() - interval '1 day'",
)
log('report', `${rows[0].many} orders, ${(rows[0].cents / 100).toFixed(2)} ${currency}`)
await db.end()
