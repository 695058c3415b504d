// What web, worker and report share: connections that are made anew when they break, and lines of log.
import pg from 'pg'
import { createClient } from 'redis'

export const currency = process.env.CURRENCY ?? 'EUR'

export const database = () => {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 5 })
  // A connection that breaks while idle is replaced; without a listener it would end the program.
  pool.on('error', (error) => log('database', error.message))
  return pool
}

export const queue = async () => {
  const client = createClient({ url: process.env.CACHE_URL })
  client.on('error', (error) => log('queue', error.message))
  return client.connect()
}

export const log = (what, text) => console.log(JSON.stringify({ at: new Date().toISOString(), what, text }))

export const onStop = (stop) => {
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, stop)
}
