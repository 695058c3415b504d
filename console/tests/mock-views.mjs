// What the mock server answers about an application and an operation, made from what it knows.
import { words } from './mock-words.mjs'

export function summary(app, operations) {
  const live = app.releases.find((one) => one.status === 'live')
  const all = app.components.flatMap((one) => one.instances)
  const ready = all.filter((one) => one.state.state === 'ready' && one.current).length
  const running = operations.find((one) => one.application_name === app.name && !one.outcome)
  return {
    id: app.id,
    name: app.name,
    display_name: app.display_name,
    status: app.status,
    status_note: app.status_note,
    urls: app.components.flatMap((one) => one.routes.map((r) => r.url)),
    live_release: live?.number ?? null,
    target_release: app.releases[0]?.number ?? null,
    instances_ready: ready,
    instances_wanted: app.components.reduce((sum, one) => sum + one.instances_wanted, 0),
    cpu_millis: all.length ? all.reduce((sum, one) => sum + (one.cpu_millis.at(-1) ?? 0), 0) : null,
    memory_bytes: all.length ? all.reduce((sum, one) => sum + (one.memory_bytes.at(-1) ?? 0), 0) : null,
    requests_per_second: app.requests_per_second ?? null,
    updated_at: app.updated_at,
    operation: running?.id ?? null,
  }
}

export function logOf(one) {
  const lines = []
  const say = (name, level, text) =>
    lines.push({ seq: lines.length + 1, at: new Date().toISOString(), step: name, level, text })
  for (const { name, state: how } of one.steps) {
    if (how === 'waiting' || how === 'skipped') continue
    for (const [level, text] of words[name] ?? [['info', `${name} done`]]) say(name, level, text)
  }
  return lines
}

const scheduled = (app, { name }) => (app.schedules?.[name] ? { schedule: app.schedules[name] } : {})

export function spec(app) {
  const [main, ...others] = app.components
  return {
    apiVersion: 'pluvio/v1',
    name: app.name,
    components: {
      [main.name]: {
        kind: main.kind,
        ...scheduled(app, main),
        ...(main.built_from
          ? { source: { git: { url: 'https://git.paperlane.test/storefront.git', ref: 'main' } } }
          : { image: main.image }),
        instances: main.instances_wanted,
        resources: { cpu: { limit: '1' }, memory: { limit: '512Mi' } },
        ports: Object.fromEntries(
          main.ports.map((one) => [one.name, { port: one.port, protocol: one.protocol }]),
        ),
        probes: main.ports.length ? { ready: { http: { path: '/healthz' }, period: '5s' } } : {},
        routes: main.routes.slice(1).map((one) => ({ host: one.host, path: one.path })),
      },
      ...Object.fromEntries(
        others.map((one) => [one.name, { kind: one.kind, image: one.image, ...scheduled(app, one) }]),
      ),
    },
    secrets: {},
  }
}

export const preview = (app, rows, effect) => ({
  number: app.releases[0].number + 1,
  diff: [{ component: 'web', change: 'changed', rows }],
  effects: [
    effect ?? {
      component: 'web',
      effect: 'replaced',
      instances_before: app.components[0].instances_wanted,
      instances_after: app.components[0].instances_wanted,
      held: false,
    },
  ],
  notes: [
    { code: 'no-request-lost', about: 'web', text: 'No request is dropped.' },
    { code: 'images-at-hand', about: '', text: 'All images are at hand.' },
  ],
  usual_ms: 39_000,
})

export const team = 'paperlane'
export const environment = 'production'
const permissions = [
  'image:read',
  'image:write',
  'image:manage',
  'application:read',
  'application:create',
  'application:deploy',
  'application:configure',
  'application:operate',
  'application:delete',
  'instance:exec',
  'database:read',
  'database:manage',
  'log:read',
  'secret:write',
  'operation:read',
  'operation:cancel',
  'volume:read',
  'volume:delete',
  'volume:copy',
  'volume-files:view',
  'volume-files:write',
  'credential:write',
  'credential:read',
  'audit:view',
  'cluster:read',
  'cluster:manage',
  'team:manage',
]
/** Kept by the person of the mock; nobody signs in with them. */
export const passkeys = [
  {
    id: '01890000-0000-7000-8000-000000000101',
    name: 'Chrome, Mac',
    created_at: new Date(Date.now() - 40 * 86_400_000).toISOString(),
    used_at: new Date(Date.now() - 3_600_000).toISOString(),
  },
  {
    id: '01890000-0000-7000-8000-000000000102',
    name: 'YubiKey',
    created_at: new Date(Date.now() - 86_400_000).toISOString(),
    used_at: null,
  },
]
export const session = (csrf, passwordUnset, without) => ({
  user: { name: 'mei', display_name: 'Mei Lindqvist' },
  team,
  environment,
  permissions: permissions.filter((one) => one !== without),
  csrf,
  password_unset: passwordUnset,
  passkeys: passkeys.length,
  version: '0.1.0',
  gateway: 'http://*.localhost:8080',
})

export const doctor = {
  checks: [
    { name: 'engine', verdict: 'ok', message: 'Podman 4.3.1 answers on /run/podman/podman.sock' },
    { name: 'kernel', verdict: 'ok', message: 'Linux 6.1, cgroup v2' },
    { name: 'ports', verdict: 'ok', message: '7080 and 8080 are free on 127.0.0.1' },
    {
      name: 'disk',
      verdict: 'warning',
      message: '11 GiB free in /var/lib/pluvio',
      remedy: 'Builds want 20 GiB. `pluvio doctor --clean` removes old images.',
    },
    { name: 'names', verdict: 'ok', message: '*.localhost resolves to 127.0.0.1' },
    { name: 'clock', verdict: 'ok', message: 'in step with the time servers' },
  ],
}
