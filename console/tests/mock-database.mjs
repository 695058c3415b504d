// What the mock server knows of a database: its backups, users, parameters and figures.
import { ago, id } from './mock-data.mjs'
import { problem } from './mock-words.mjs'

const backup = (minutes, fields = {}) => ({
  id: id(),
  component: 'db',
  database: 'postgres@17',
  reason: 'schedule',
  state: 'kept',
  actor: 'pluvio',
  operation: null,
  scheduled_at: ago(minutes),
  begun_at: ago(minutes),
  ended_at: ago(minutes - 0.2),
  bytes: 4_200_000,
  plain_bytes: 31_000_000,
  sha256: 'ab'.repeat(32),
  verified_at: ago(minutes - 0.2),
  problem: null,
  ...fields,
})

/** Of one server: what it answers, or nothing where the question is another. */
export function databasesOf({ noBackups, here, run }) {
  const operation = (app, kind, title) => run(app, kind, title, ['decide'], () => {})
  const backups = noBackups ? [] : [backup(300), backup(1740)]
  const users = [{ name: 'app', rights: 'owner', own: true }]
  const parameters = [{ name: 'shared_buffers', value: '262144kB', asked: false }]
  const summary = () => ({
    component: 'db',
    engine: 'postgres',
    version: '17',
    ready: true,
    instance: 'nightly--db--1',
    host: 'db',
    port: 5432,
    user: 'app',
    database: 'app',
    parameters,
    known_parameters: ['max_connections', 'shared_buffers', 'work_mem'],
    backups: backups.length ? { cron: '0 3 * * *', time_zone: null, keep: 7, keep_for: null } : null,
    protection: backups.length ? 'scheduled' : 'never',
    last_good: backups[0] ?? null,
    last_failed: null,
    next_backup_at: backups.length ? ago(-600) : null,
  })
  const asked = (kind, title) => [202, operation('nightly', kind, title)]

  return function answer(method, path, body) {
    const root = `${here}/applications/nightly/databases/db`
    if (!path.startsWith(root)) return undefined
    const rest = path.slice(root.length)
    if (method === 'GET' && rest === '') return [200, summary()]
    if (method === 'GET' && rest === '/backups') return [200, { items: backups }]
    if (method === 'POST' && rest === '/backups') {
      backups.unshift(backup(0, { reason: 'asked', actor: 'ines' }))
      return asked('backup', 'Back up db of nightly')
    }
    if (method === 'POST' && /^\/backups\/[^/]+\/restore$/.test(rest))
      return body.confirm === body.into
        ? asked('restore', 'Restore db')
        : [
            409,
            problem(
              'refused',
              409,
              'This is refused',
              'db is not empty: a restore replaces all that it holds. Nothing was changed.',
              'Repeat its name to be sure.',
            ),
          ]
    if (method === 'DELETE' && rest.startsWith('/backups/')) {
      backups.splice(
        backups.findIndex((one) => rest.endsWith(one.id)),
        1,
      )
      return [204, undefined]
    }
    if (method === 'GET' && rest === '/users') return [200, { items: users }]
    if (method === 'POST' && rest === '/users') {
      users.push({ name: body.name, rights: body.rights, own: false })
      return [201, { ...body, password: 'made', url: `postgres://${body.name}:made@db:5432/app` }]
    }
    if (method === 'GET' && rest === '/figures')
      return [
        200,
        {
          at: ago(0),
          version: '17.6',
          uptime_seconds: 86_400,
          size_bytes: 48_000_000,
          objects: 12,
          connections: 5,
          connections_limit: 100,
          per_second: 41.5,
          hit_ratio: 0.993,
          slowest: [{ milliseconds: 1500, user: 'app', text: 'SELECT count(*) FROM invoices' }],
        },
      ]
    if (method === 'POST' && rest === '/address')
      return [200, { component: 'db', url: 'postgres://app:shown-once@db:5432/app' }]
    if (method === 'PATCH' && rest === '/parameters') {
      for (const [name, value] of Object.entries(body.parameters))
        parameters.push({ name, value, asked: true })
      return asked('configure', 'Set parameters')
    }
    if (rest === '/schedule') return asked('configure', 'Back up db by the clock')
    return undefined
  }
}
