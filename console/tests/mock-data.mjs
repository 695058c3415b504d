// What the mock server knows at its start: one application that serves and one that is being deployed, one that is not
// well, with the history, routes and usage that belong to them. Shapes follow the contract of crates/api.
const minute = 60_000
export const ago = (minutes) => new Date(Date.now() - minutes * minute).toISOString()
let ids = 0
export function id() {
  ids += 1
  return `01990c${String(ids).padStart(2, '0')}-7a10-7c3e-9f00-${String(ids).padStart(12, '0')}`
}

const wave = (n, base, swing, seed) =>
  Array.from({ length: n }, (_, i) =>
    Math.max(
      0,
      Math.round(base + swing * Math.sin(i / 6 + seed) + swing * 0.6 * Math.sin(i * 1.7 + seed * 3)),
    ),
  )

export const stepNames = ['fetch', 'build', 'keep', 'decide', 'apply', 'start', 'shift', 'drain']
export const usual = {
  fetch: 2000,
  build: 38_000,
  keep: 1500,
  decide: 100,
  apply: 400,
  start: 22_000,
  shift: 900,
  drain: 12_000,
}

export const step = (name, state, startedMinutes, tookMs, note = '') => ({
  name,
  state,
  note,
  started_at: startedMinutes === undefined ? null : ago(startedMinutes),
  ended_at: tookMs === undefined ? null : new Date(Date.parse(ago(startedMinutes)) + tookMs).toISOString(),
  usual_ms: usual[name] ?? 1000,
})

export function operation(fields) {
  return {
    id: id(),
    application: id(),
    application_name: 'storefront',
    kind: 'deploy',
    actor: 'mei',
    asked_at: ago(60),
    ended_at: null,
    release: null,
    steps: [],
    outcome: null,
    cancel_requested: false,
    title: '',
    ...fields,
  }
}

const done = (minutes, names = stepNames) =>
  names.map((name) => step(name, 'done', minutes, Math.round((usual[name] ?? 1000) * 0.94), notes[name]))
const notes = {
  fetch: 'main @ b81e0d4',
  build: 'Node.js 22, 9 of 11 layers cached',
  decide: 'r7, parent r6',
  start: '3 of 3 instances ready',
}

export const instance = (app, component, tail, release, fields = {}) => ({
  name: `${app}--${component}--7c9f1d2e-${tail}`,
  hash: '7c9f1d2e44aa',
  release,
  state: { state: 'ready' },
  address: `10.201.0.${10 + (tail.charCodeAt(0) % 40)}`,
  started_at: ago(78),
  ready_at: ago(77),
  restarts: 0,
  last_exit: null,
  probe: {
    kind: 'ready',
    ok: true,
    message: 'GET /healthz on 3000: 200 in 3 ms',
    at: ago(0.1),
    in_a_row: 42,
  },
  in_flight: 2,
  current: true,
  cpu_millis: wave(30, 380, 60, tail.charCodeAt(1)),
  memory_bytes: wave(30, 131, 6, tail.charCodeAt(0)).map((mib) => mib * 1024 * 1024),
  memory_limit: 512 * 1024 * 1024,
  ...fields,
})

export const route = (app, component, host, path = '/', traffic = null) => ({
  id: `${app}-${host}${path}`,
  application: app,
  component,
  host,
  path,
  exact: false,
  port: 'http',
  url: `http://${host}:8080${path === '/' ? '/' : path}`,
  traffic,
})

const built = {
  builder: 'Node.js 22',
  commit: 'b81e0d4c7730aa12',
  message: 'Retry search once on connection reset',
  author: 'Jun Takeda',
  branch: 'main',
  duration_ms: 38_400,
}

export const component = (app, fields = {}) => ({
  name: 'web',
  kind: 'service',
  status: 'running',
  status_note: '',
  image: `localhost/pluvio/${app}/web:r7`,
  image_id: 'sha256:9d41c7be02e91a0c3d5f77aa12e02f64b3d97c1e',
  instances_wanted: 3,
  instances: [],
  ports: [{ name: 'http', port: 3000, protocol: 'http' }],
  routes: [],
  env: [
    { name: 'PORT', value: '3000', secret: false, origin: 'pluvio' },
    { name: 'LOG_LEVEL', value: 'info', secret: false, origin: 'yours' },
    { name: 'PRICE_CACHE_TTL', value: '300', secret: false, origin: 'yours' },
    { name: 'STRIPE_KEY', value: '${secrets.STRIPE_KEY}', secret: true, origin: 'yours' },
  ],
  files: [
    {
      path: '/etc/storefront.toml',
      content: 'currency = "EUR"\nrounding = "half-even"\n',
      hot: true,
      secret: false,
    },
  ],
  mounts: [],
  resources: { cpu_limit_millis: 1000, memory_limit_bytes: 512 * 1024 * 1024 },
  probes: [{ kind: 'ready', text: 'GET /healthz on 3000, every 5s' }],
  strategy: 'surge',
  drain_ms: 30_000,
  built_from: built,
  ...fields,
})

const release = (number, status, title, actor, minutes, fields = {}) => ({
  number,
  status,
  origin: { kind: 'deploy' },
  title,
  actor,
  at: ago(minutes),
  duration_ms: 84_000,
  operation: null,
  built_from: built,
  images: [['web', `sha256:${number}d41c7be02e91a0c3d5f`]],
  restorable: status === 'retired' || status === 'live',
  ...fields,
})

export function world() {
  const apps = {}
  const operations = []
  const add = (app, fields) => {
    apps[app.name] = { ...app, ...fields }
  }
  const storefront = [
    release(7, 'live', 'Retry search once on connection reset', 'jun', 78),
    release(6, 'retired', 'Scale to 3', 'mei', 113, {
      origin: { kind: 'patch', what: 'scale' },
      duration_ms: 6_100,
    }),
    release(5, 'failed', 'Node.js 22', 'dependency bot', 1200, { duration_ms: 153_000 }),
    release(4, 'retired', 'Roll back to r2', 'jun', 1500, {
      origin: { kind: 'rollback', to: 2 },
      duration_ms: 39_000,
    }),
    release(3, 'retired', 'Price rounding per currency', 'ines', 1520),
    release(2, 'retired', 'Book page: streamed reviews', 'ines', 3000),
    release(1, 'retired', 'First deploy', 'mei', 4400),
  ]
  const deployed = operation({
    actor: 'jun',
    asked_at: ago(79.4),
    ended_at: ago(78),
    release: 7,
    steps: done(79.3),
    outcome: { outcome: 'succeeded' },
    title: 'Deploy storefront from main @ b81e0d4',
  })
  storefront[0].operation = deployed.id
  operations.push(
    deployed,
    operation({
      kind: 'scale',
      actor: 'mei',
      asked_at: ago(113.2),
      ended_at: ago(113),
      release: 6,
      steps: done(113.1, ['decide', 'apply', 'start']),
      outcome: { outcome: 'succeeded' },
      title: 'Scale storefront to 3',
    }),
  )
  const failing = operation({
    actor: 'dependency bot',
    asked_at: ago(1203),
    ended_at: ago(1200),
    release: 5,
    steps: [
      ...done(1202, ['fetch', 'build', 'keep', 'decide', 'apply']),
      step('start', 'failed', 1201, 61_000, '0 of 3 instances ready'),
      step('shift', 'skipped'),
      step('drain', 'skipped'),
    ],
    outcome: {
      outcome: 'failed',
      problem: {
        code: 'release.not-ready',
        status: 422,
        title: 'The new release did not become ready',
        cause: 'GET /healthz on 3000 answered 503 twelve times in a row.',
        remedy: 'See the last lines of the new instance; r4 keeps serving.',
        evidence: [
          'Error: Cannot find module “sharp”',
          '    at Module._resolveFilename (node:internal/modules/cjs/loader:1225:15)',
          'GET /healthz 503 1 ms',
        ],
        help: 'pluvio explain release.not-ready',
      },
    },
    title: 'Deploy storefront from main @ 0c77aa1',
  })
  storefront[2].operation = failing.id
  operations.push(failing)
  add({
    name: 'storefront',
    id: id(),
    display_name: null,
    status: 'running',
    status_note: '',
    releases: storefront,
    created_at: ago(4400),
    updated_at: ago(78),
    power: 'on',
    requests_per_second: 286.4,
    volumes: [
      {
        id: id(),
        name: 'uploads',
        application: 'storefront',
        state: 'bound',
        used_by: [],
        bytes: 1_400_000_000,
        created_at: ago(4400),
        released_at: null,
      },
    ],
    secrets: [
      { name: 'STRIPE_KEY', version: 2, generated: false, set_at: ago(3000) },
      { name: 'SESSION_KEY', version: 1, generated: true, set_at: ago(4400) },
    ],
    components: [
      component('storefront', {
        instances: ['k2x7', 'm8d1', 'q4t9'].map((tail) => instance('storefront', 'web', tail, 7)),
        routes: [
          route('storefront', 'web', 'storefront.localhost', '/', {
            requests_per_second: 245.2,
            p95_ms: 46,
            errors: 0.0008,
          }),
          route('storefront', 'web', 'shop.paperlane.test', '/', {
            requests_per_second: 41.2,
            p95_ms: 38,
            errors: 0,
          }),
        ],
      }),
    ],
  })

  const deploying = operation({
    application_name: 'notes',
    actor: 'ines',
    asked_at: ago(0.9),
    release: 13,
    steps: [
      step('fetch', 'done', 0.89, 2_100, 'main @ 4f1c9ae'),
      step('build', 'done', 0.85, 29_400, 'Python 3.13, 7 of 9 layers cached'),
      step('keep', 'done', 0.36, 1_500),
      step('decide', 'done', 0.33, 120, 'r13, parent r12'),
      step('apply', 'done', 0.32, 380),
      step('start', 'running', 0.3, undefined, '1 of 2 instances ready'),
      step('shift', 'waiting'),
      step('drain', 'waiting'),
    ],
    title: 'Deploy notes from main @ 4f1c9ae',
  })
  operations.unshift(deploying)
  const twelve = release(12, 'live', 'Show recommendations under the basket', 'ines', 1300)
  add({
    name: 'notes',
    id: id(),
    display_name: null,
    status: 'deploying',
    status_note: '',
    releases: [
      release(13, 'deploying', 'Cache price tiers per region', 'ines', 0.9, {
        duration_ms: null,
        operation: deploying.id,
        restorable: false,
      }),
      twelve,
    ],
    created_at: ago(9000),
    updated_at: ago(1300),
    power: 'on',
    requests_per_second: 3.4,
    volumes: [],
    secrets: [],
    components: [
      component('notes', {
        instances_wanted: 2,
        status: 'deploying',
        built_from: { ...built, builder: 'Python 3.13', commit: '4f1c9ae0aa' },
        instances: [
          instance('notes', 'web', 'aa1x', 13, {
            started_at: ago(0.28),
            cpu_millis: [410],
            memory_bytes: [61 * 1024 * 1024],
          }),
          instance('notes', 'web', 'bb2y', 13, {
            started_at: ago(0.2),
            state: { state: 'starting' },
            probe: {
              kind: 'startup',
              ok: false,
              message: 'GET /healthz on 8000: connection refused',
              at: ago(0.01),
              in_a_row: 3,
            },
            cpu_millis: [320],
            memory_bytes: [46 * 1024 * 1024],
          }),
          instance('notes', 'web', 'cc3z', 12, { current: false }),
          instance('notes', 'web', 'dd4w', 12, {
            current: false,
            state: { state: 'draining' },
            in_flight: 4,
          }),
        ],
        routes: [
          route('notes', 'web', 'notes.localhost', '/', {
            requests_per_second: 3.4,
            p95_ms: 12.5,
            errors: 0,
          }),
        ],
      }),
    ],
  })

  add({
    name: 'worker',
    id: id(),
    display_name: 'Thumbnail worker',
    status: 'degraded',
    status_note: '1 of 2 ready',
    releases: [release(3, 'live', 'Thumbnails in AVIF', 'tomas', 2900)],
    created_at: ago(9000),
    updated_at: ago(14),
    power: 'on',
    requests_per_second: null,
    volumes: [],
    secrets: [],
    components: [
      component('worker', {
        instances_wanted: 2,
        status: 'degraded',
        status_note: '1 of 2 ready',
        ports: [],
        probes: [],
        image: 'ghcr.io/paperlane/worker:2.4',
        built_from: null,
        instances: [
          instance('worker', 'web', 'ee5v', 3),
          instance('worker', 'web', 'ff6u', 3, {
            state: { state: 'back-off', until: new Date(Date.now() + 14_000).toISOString() },
            restarts: 4,
            cpu_millis: [],
            memory_bytes: [],
            last_exit: {
              code: 137,
              oom: true,
              at: ago(0.5),
              last_lines: [
                'job started id=8f21c kind=thumbnail',
                'decoding 24000x18000 image',
                'allocating 1.2 GiB',
              ],
            },
          }),
        ],
      }),
    ],
  })
  const ended = (name, kind) =>
    component('nightly', {
      name,
      kind,
      instances_wanted: 0,
      ports: [],
      probes: [],
      image: 'ghcr.io/paperlane/reports:1.9',
      built_from: null,
    })
  add({
    name: 'nightly',
    id: id(),
    display_name: null,
    status: 'running',
    status_note: '',
    releases: [
      release(2, 'live', 'Invoices by country', 'ines', 4 * 1440, { built_from: null }),
      release(1, 'retired', 'First deploy', 'ines', 9000, { built_from: null }),
    ],
    created_at: ago(9000),
    updated_at: ago(4 * 1440),
    power: 'on',
    requests_per_second: null,
    volumes: [],
    secrets: [],
    components: [
      ended('report', 'cron'),
      ended('seed', 'job'),
      ended('purge', 'cron'),
      ended('db', 'database'),
    ],
    schedules: { report: { cron: '0 3 * * 1-5', timeZone: 'Europe/Berlin' }, purge: '*/15 * * * *' },
  })
  return { apps, operations }
}
