// Graphs of the mock server: a shop's, a team's, and one of as many components as a test wants.
const node = (id, fields = {}) => ({
  id,
  name: id.replace(/^@(app\.)?/, ''),
  kind: 'service',
  status: 'running',
  status_note: '',
  instances_ready: 2,
  instances_wanted: 2,
  cpu_millis: 120 + ((id.length * 137) % 700),
  memory_bytes: (60 + ((id.length * 53) % 300)) * 1024 * 1024,
  what: `localhost/pluvio/storefront/${id}:r7`,
  ports: [{ name: 'http', port: 8080, protocol: 'http' }],
  hosts: [],
  next_run_at: null,
  ...fields,
})
const http = (rate, p95, errors = 0, fields = {}) => ({
  port: 'http',
  protocol: 'http',
  route: null,
  requests_per_second: rate,
  errors_per_second: errors,
  client_errors_per_second: rate / 200,
  p50_ms: p95 / 3,
  p95_ms: p95,
  received_per_second: rate * 220,
  sent_per_second: rate * 3400,
  open: Math.ceil(rate / 60),
  ...fields,
})
const tcp = (bytes, open, fields = {}) => ({
  ...http(0.2, 1),
  port: 'sql',
  protocol: 'tcp',
  client_errors_per_second: 0,
  p50_ms: null,
  p95_ms: null,
  received_per_second: bytes * 0.2,
  sent_per_second: bytes,
  open,
  ...fields,
})
const edge = (from, to, ...traffic) => ({ from, to, declared: true, prefix: null, traffic })

const parts = {
  api: {
    image: 'ghcr.io/paperlane/api:4.2',
    ports: { http: { port: 8080, protocol: 'http' } },
    routes: [],
    uses: ['db', 'cache', 'payments'],
  },
  worker: { image: 'ghcr.io/paperlane/worker:4.2', uses: ['db', 'cache'] },
  report: { kind: 'cron', schedule: '30 2 * * *', image: 'ghcr.io/paperlane/report:4.2', uses: ['db'] },
  db: { kind: 'database', database: 'postgres@17' },
  cache: { kind: 'database', database: 'redis@7' },
  payments: { kind: 'external', external: { addresses: ['api.payments.test:443'] } },
}
/** The storefront has more than its page. */
export function withParts(spec) {
  if (spec.name !== 'storefront') return spec
  const { web, ...others } = spec.components
  return { ...spec, components: { web: { ...web, uses: ['api'] }, ...others, ...structuredClone(parts) } }
}

const looks = {
  report: {
    kind: 'cron',
    status: 'scheduled',
    instances_ready: 0,
    instances_wanted: 0,
    cpu_millis: null,
    memory_bytes: null,
    next_run_at: new Date(Date.now() + 6 * 3_600_000).toISOString(),
  },
  worker: { status: 'degraded', status_note: '1 of 2 ready', instances_ready: 1 },
  payments: {
    kind: 'external',
    instances_ready: 0,
    instances_wanted: 0,
    cpu_millis: null,
    memory_bytes: null,
  },
}
const passes = {
  'web→api': [http(618, 19)],
  'api→db': [tcp(1_900_000, 24)],
  'api→cache': [tcp(260_000, 12)],
  'api→payments': [http(23, 210, 0.5)],
  'worker→db': [tcp(310_000, 4)],
  'worker→cache': [tcp(90_000, 4)],
}

export function graphOf(spec, seconds) {
  const nodes = Object.entries(spec.components).map(([name, one]) =>
    node(name, {
      kind: one.kind ?? 'service',
      what: one.database ?? one.external?.addresses[0] ?? one.image ?? 'node 22',
      ...(one.kind === 'database' ? { instances_ready: 1, instances_wanted: 1 } : {}),
      ...(spec.name === 'storefront' ? (looks[name] ?? {}) : {}),
    }),
  )
  const edges = Object.entries(spec.components).flatMap(([name, one]) =>
    (one.uses ?? []).map((used) => {
      const to = typeof used === 'string' ? used : used.component
      return edge(name, to, ...(passes[`${name}→${to}`] ?? []))
    }),
  )
  const first = Object.keys(spec.components)[0]
  if (first) {
    nodes.unshift(
      node('@gateway', {
        kind: 'gateway',
        instances_ready: 0,
        instances_wanted: 0,
        what: '',
        hosts: ['shop.paperlane.test', 'www.paperlane.test'],
      }),
    )
    edges.unshift(edge('@gateway', first, http(412, 38, 0, { route: 'shop.paperlane.test' })))
  }
  return { window_seconds: Number(seconds ?? 60), seen_ms_ago: 400, nodes, edges }
}

export function teamGraph(apps) {
  const nodes = apps.map((app) =>
    node(app.name, { kind: 'application', status: app.status, what: '', ports: [] }),
  )
  const edges = apps.slice(0, 2).map((app, i) => edge('@gateway', app.name, http(412 / (i + 1), 38)))
  if (apps.length > 2) edges.push({ ...edge(apps[0].name, apps[2].name, http(9, 12)), declared: false })
  if (apps.length)
    nodes.unshift(node('@gateway', { kind: 'gateway', instances_ready: 0, instances_wanted: 0, what: '' }))
  return { window_seconds: 60, seen_ms_ago: 400, nodes, edges }
}

/** The same, and what is in staging asks production. */
export function wholeGraph(apps) {
  const own = teamGraph(apps)
  const put = (one, environment) =>
    one.id.startsWith('@') ? one : { ...one, id: `${environment}/${one.id}`, environment }
  const end = (id) => (id.startsWith('@') ? id : `production/${id}`)
  const nodes = own.nodes.map((one) => put(one, 'production'))
  const edges = own.edges.map((one) => ({ ...one, from: end(one.from), to: end(one.to) }))
  const first = apps[0]?.name
  if (first) {
    nodes.push(put(node(first, { kind: 'application', what: '', ports: [] }), 'staging'))
    edges.push({ ...edge(`staging/${first}`, `production/${first}`, http(3, 14)), declared: false })
  }
  return { ...own, nodes, edges }
}

export function largeGraph(many) {
  const nodes = [
    node('@gateway', {
      kind: 'gateway',
      instances_ready: 0,
      instances_wanted: 0,
      what: '',
      hosts: ['a.test'],
    }),
  ]
  for (let i = 0; i < many; i += 1)
    nodes.push(node(`part-${i}`, { status: i % 37 === 5 ? 'degraded' : 'running' }))
  const edges = [edge('@gateway', 'part-0', http(900, 20))]
  const known = new Set()
  for (let i = 0; i < many * 1.5; i += 1) {
    const to = 1 + (i % (many - 1))
    const from = Math.floor((to - 1) / (i >= many ? 4 : 3))
    if (known.has(`${from}→${to}`)) continue
    known.add(`${from}→${to}`)
    edges.push(
      edge(`part-${from}`, `part-${to}`, http(10 + ((i * 37) % 900), 3 + (i % 40), i % 61 === 0 ? 20 : 0)),
    )
  }
  return { window_seconds: 60, seen_ms_ago: 400, nodes, edges }
}
