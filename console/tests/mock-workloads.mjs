// What the mock server knows of workloads: production's components as they are, and others on a cluster.
import { id } from './mock-data.mjs'
import { team } from './mock-views.mjs'

const row = (environment, cluster, application, component, fields = {}) => ({
  environment,
  cluster,
  runtime: cluster === 'local' ? 'podman' : 'kubernetes',
  ...(cluster === 'local' ? {} : { namespace: `${team}--${environment}` }),
  application_id: id(),
  application,
  component,
  kind: 'service',
  status: 'running',
  status_note: '',
  stopped: false,
  instances_ready: 1,
  instances_wanted: 1,
  can_scale: true,
  ...fields,
})

/** Those in staging, which is on prod. */
const staging = () => [
  row('staging', 'prod', 'nightly', 'purge', {
    kind: 'cron',
    status: 'scheduled',
    instances_ready: 0,
    instances_wanted: 0,
    can_scale: false,
  }),
  row('staging', 'prod', 'storefront', 'api', {
    status: 'degraded',
    status_note: '2 of 3 ready',
    instances_ready: 2,
    instances_wanted: 3,
    nodes: { 'worker-1': 1, 'worker-2': 1 },
  }),
  row('staging', 'prod', 'storefront', 'web', {
    instances_ready: 2,
    instances_wanted: 2,
    nodes: { 'worker-1': 2 },
  }),
]

/** The answer to a request about workloads, and to what is asked of those in staging; `run` begins an operation. */
export function workloadsOf({ state, placed, none, run }) {
  const there = none ? [] : staging()
  const own = () =>
    Object.values(state.apps).flatMap((app) =>
      app.components.map((one) => {
        const stopped = app.power === 'off' || one.stopped === true
        return row('production', placed ?? 'local', app.name, one.name, {
          application_id: app.id,
          kind: one.kind,
          status: stopped ? 'stopped' : one.status,
          status_note: one.status_note,
          stopped,
          instances_ready: one.instances.filter((each) => each.state.state === 'ready').length,
          instances_wanted: one.instances_wanted,
          can_scale: one.kind === 'service',
        })
      }),
    )
  return (method, path, query, body) => {
    if (path === `/teams/${team}/workloads`) return [200, { items: [...own(), ...there] }]
    const asked = new RegExp(
      `^/teams/${team}/environments/staging/applications/([^/]+)/(stop|start|restart|scale)$`,
    ).exec(path)
    if (!asked || method !== 'POST') return undefined
    const [, app, what] = asked
    const names = what === 'scale' ? [body.component] : query.get('components').split(',')
    const change = {
      stop: { status: 'stopped', stopped: true, instances_ready: 0, instances_wanted: 0 },
      start: { status: 'running', stopped: false },
      restart: {},
      scale: { instances_wanted: body.instances, instances_ready: body.instances },
    }[what]
    const these = there.filter((one) => one.application === app && names.includes(one.component))
    const begun = run(app, what, `${what} ${names.join(', ')} of ${app}`, ['apply', 'start'])
    for (const one of these) Object.assign(one, change)
    return [202, begun]
  }
}
