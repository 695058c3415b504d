// What the mock server knows of what happened: events of instances, runs of programs that come to an end, the audit log.
import { ago, id } from './mock-data.mjs'
import { team } from './mock-views.mjs'
import { problem } from './mock-words.mjs'

const run = (app, component, kind, tail, minutes, fields = {}) => ({
  key: `${kind}-${component}-${tail}`,
  component,
  kind,
  hash: 'b7'.repeat(32),
  release: 2,
  instance: `${app}--${component}--run-${tail}`,
  state: 'succeeded',
  scheduled_at: kind === 'schedule' ? ago(minutes) : null,
  started_at: ago(minutes),
  ended_at: ago(minutes - 0.7),
  exit: { code: 0, oom: false, at: ago(minutes - 0.7), last_lines: ['412 invoices read', 'report sent'] },
  problem: null,
  ...fields,
})

const day = 1440
const runs = () => ({
  nightly: [
    run('nightly', 'report', 'schedule', '5d0c93c1', 0.4, {
      state: 'running',
      ended_at: null,
      exit: null,
    }),
    run('nightly', 'report', 'asked', '77e0a4b2', 190),
    run('nightly', 'report', 'schedule', '1c44d0aa', day, {
      state: 'failed',
      exit: {
        code: 1,
        oom: false,
        at: ago(day - 0.2),
        last_lines: [
          '412 invoices read',
          'Error: connect ECONNREFUSED 10.201.0.14:5432',
          '    at TCPConnectWrap.afterConnect (node:net:1607:16)',
        ],
      },
    }),
    run('nightly', 'report', 'schedule', '90ab12cd', day + 1, {
      state: 'skipped',
      started_at: null,
      ended_at: null,
      exit: null,
    }),
    run('nightly', 'report', 'schedule', 'e1f20b63', 2 * day, {
      release: 1,
      state: 'unknown',
      ended_at: null,
      exit: null,
    }),
    run('nightly', 'seed', 'job', '91be3a20', 4 * day),
  ],
  worker: [run('worker', 'web', 'release', '0f7a51be', 2901, { release: 3 })],
})

/** What happened to instances, the newest first. */
const event = (instance, reason, minutes, fields = {}) => ({
  component: 'web',
  instance,
  is_warning: false,
  reason,
  message: reason.toLowerCase(),
  count: 1,
  first: ago(minutes),
  last: ago(minutes),
  ...fields,
})
const [calm, killed] = ['worker--web--7c9f1d2e-ee5v', 'worker--web--7c9f1d2e-ff6u']
const events = {
  worker: [
    event(killed, 'OOMKilled', 0.5, {
      is_warning: true,
      message: 'killed: it took more memory than its limit',
      count: 4,
      first: ago(40),
    }),
    event(killed, 'Started', 2, { count: 5, first: ago(78) }),
    event(calm, 'Ready', 77),
    event(calm, 'Unhealthy', 77.5, {
      container: 'proxy',
      is_warning: true,
      message: 'not ready, gets no requests: GET /healthz on 3000: refused',
    }),
    event(calm, 'Started', 78),
    event(calm, 'Created', 78.2, { message: 'its container was made' }),
  ],
}

const record = (number, minutes, actor, action, object, result = 'done', fields = {}) => ({
  number,
  at: ago(minutes),
  team,
  actor,
  action,
  object,
  result,
  sealed: true,
  ...fields,
})

function auditLog() {
  const rows = [
    record(1204, 0.01, 'mei', 'application:operate', 'run of report of application nightly', 'done', {
      sealed: false,
    }),
    record(1203, 2, 'mei', 'sign-in', 'user mei', 'done', { team: null }),
    record(1202, 78, 'pluvio', 'secret:read', 'secret STRIPE_KEY of storefront for r7'),
    record(1201, 79, 'jun', 'application:deploy', 'application storefront', 'asked'),
    record(1200, 113, 'mei', 'application:operate', 'application storefront', 'asked'),
    record(1199, 300, 'rita', 'instance:exec', 'terminal in storefront--web--7c9f1d2e-k2x7', 'refused'),
    record(1198, 420, 'ines', 'secret:write', 'secret STRIPE_KEY of storefront'),
    record(1197, 500, 'rita', 'sign-in', 'user rita', 'refused', { team: null }),
  ]
  for (let i = 0; i < 60; i += 1)
    rows.push(record(1196 - i, 600 + i * 40, 'jun', 'application:configure', 'application notes', 'asked'))
  return rows
}

/** Of one server: what it answers, or nothing where the question is another. */
export function recordsOf(state, { here, pace, still, page }) {
  const ran = runs()
  const log = auditLog()

  function begin(app, component) {
    const one = run(app, component, 'asked', id().slice(-8), 0, { state: 'waiting', exit: null })
    Object.assign(one, { started_at: null, ended_at: null })
    ran[app] = [one, ...(ran[app] ?? [])]
    const now = () => new Date().toISOString()
    const end = () =>
      Object.assign(one, {
        state: 'succeeded',
        ended_at: now(),
        exit: { code: 0, oom: false, at: now(), last_lines: ['report sent by hand'] },
      })
    if (!still)
      setTimeout(() => {
        Object.assign(one, { state: 'running', started_at: now() })
        setTimeout(end, pace * 4)
      }, pace)
    return { key: one.key }
  }

  const found = (query, of) =>
    log.filter(
      (row) =>
        (!of || row.team === of) &&
        (!query.get('actor') || row.actor === query.get('actor')) &&
        (!query.get('action') || `${row.action}:`.startsWith(`${query.get('action')}:`)) &&
        row.object.includes(query.get('object') ?? '') &&
        (!query.get('since') || row.at >= query.get('since')),
    )

  return function answer(method, path, query) {
    if (method === 'GET' && path === '/audit') return [200, page(found(query), query)]
    if (method === 'GET' && path === `/teams/${team}/audit`) return [200, page(found(query, team), query)]
    if (method === 'POST' && path === '/audit/verify')
      return state.altered
        ? [
            409,
            problem(
              'audit.broken',
              409,
              'The audit log was altered',
              `The chain breaks at record ${state.altered}: it, or what was before it, is not as it was written.`,
              'Trust no record from there on, compare with a backup, and find out who can write to the database.',
            ),
          ]
        : [200, { sealed: 1203, open: 1 }]
    const told = new RegExp(`^${here}/applications/([\\w-]+)/events$`).exec(path)
    if (told && state.apps[told[1]]) {
      const of = query.get('component')
      return [200, { items: (events[told[1]] ?? []).filter((one) => !of || one.component === of) }]
    }
    const [, app, component] =
      /^\/applications\/([\w-]+)(?:\/components\/([\w-]+))?\/runs$/.exec(
        path.startsWith(here) ? path.slice(here.length) : '',
      ) ?? []
    if (!state.apps[app]) return undefined
    if (method === 'POST' && component) return [202, begin(app, component)]
    const of = query.get('component')
    return [200, { items: (ran[app] ?? []).filter((one) => !of || one.component === of) }]
  }
}
