// Brings the database's tables to what this release needs. Runs before its instances, and may be run again.
import { database, log } from './shop.js'

const db = database()
await db.query(`create table if not exists orders (
  id bigint generated always as identity primary key,
  item text not null,
  cents integer not null,
  placed_at timestamptz not null default now(),
  packed_at timestamptz
)`)
const { rows } = await db.query('select count(*)::int as many from orders')
log('migrate', `the table of orders is there, with ${rows[0].many} in it`)
await db.end()
