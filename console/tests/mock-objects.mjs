// What the mock server knows of what is in a cluster.
import { ago } from './mock-data.mjs'
import { problem } from './mock-words.mjs'

const cells = (all) => Object.entries(all).map(([name, value]) => ({ name, value }))
const row = (namespace, name, minutes, state, note, shown, fields = {}) => ({
  ...(namespace ? { namespace } : {}),
  name,
  created: ago(minutes),
  is_ours: false,
  state,
  note,
  cells: cells(shown),
  ...fields,
})
const ours = { is_ours: true, application: 'storefront' }
const pod = (namespace, name, minutes, state, note, ready, restarts, fields) =>
  row(
    namespace,
    name,
    minutes,
    state,
    note,
    {
      Ready: ready,
      Status: state === 'running' ? 'Running' : 'Pending',
      Restarts: restarts,
      Node: 'worker-1',
    },
    fields,
  )

const lists = {
  pods: [
    pod('kube-system', 'coredns-7c65d6cfc9-4n2xw', 9000, 'running', '', '1/1', '0'),
    pod('monitoring', 'exporter-x8k2p', 42, 'failed', 'its program ends again and again', '0/1', '14'),
    pod(
      'paperlane--staging',
      'storefront--api-6d9f7c5b8-x2lqp',
      3,
      'waiting',
      'waits for a node',
      '0/1',
      '0',
      ours,
    ),
    pod('paperlane--staging', 'storefront--web-5c4d9f6b7-9k2wd', 78, 'running', '', '1/1', '0', ours),
  ],
  secrets: [
    row('kube-system', 'bootstrap-token', 9000, 'there', '', {
      Type: 'bootstrap.kubernetes.io/token',
      Data: '5',
    }),
    row(
      'paperlane--staging',
      'storefront--web-3f9c1d2e',
      78,
      'there',
      '',
      { Type: 'Opaque', Data: '2' },
      ours,
    ),
  ],
  namespaces: ['kube-system', 'monitoring', 'paperlane--staging'].map((name) =>
    row(undefined, name, 9000, 'there', '', { Status: 'Active' }),
  ),
  events: [
    row('monitoring', 'Pod exporter-x8k2p', 1, 'degraded', 'Back-off restarting failed container', {
      Reason: 'BackOff',
      Count: '61',
      Source: 'kubelet, worker-1',
    }),
  ],
}
/** More than a page of one kind. */
lists.configmaps = Array.from({ length: 130 }, (_, n) =>
  row('monitoring', `rules-${String(n).padStart(3, '0')}`, 500 + n, 'there', '', { Data: '1' }),
)

const details = (kind, one) => ({
  ...(one.namespace ? { namespace: one.namespace } : {}),
  name: one.name,
  is_ours: one.is_ours,
  yaml: `apiVersion: v1\nkind: ${kind === 'secrets' ? 'Secret' : 'Pod'}\nmetadata:\n  name: ${one.name}\n${
    kind === 'secrets' ? 'data:\n  STRIPE_KEY: (32 bytes)\n' : 'spec:\n  nodeName: worker-1\n'
  }`,
  containers:
    kind === 'pods'
      ? [
          {
            name: 'wait',
            image: 'busybox:1.37',
            is_init: true,
            is_ready: true,
            restarts: 0,
            state: 'succeeded',
            note: 'ran to its end',
          },
          {
            name: 'main',
            image: 'registry.test/exporter:2.1',
            is_init: false,
            is_ready: false,
            restarts: 14,
            state: one.state,
            note: one.note,
          },
        ]
      : [],
  keys:
    kind === 'secrets'
      ? [
          { key: 'STRIPE_KEY', bytes: 32 },
          { key: 'config.toml', bytes: 2048 },
        ]
      : [],
  events:
    kind === 'pods'
      ? [
          {
            is_warning: true,
            reason: 'BackOff',
            message: 'Back-off restarting failed container main',
            kind: 'Pod',
            namespace: one.namespace,
            name: one.name,
            count: 61,
            first: ago(40),
            last: ago(1),
            source: 'kubelet, worker-1',
          },
        ]
      : [],
})

/** The answer to a request about what is in a cluster, as the arguments of `send`. */
export function objectsOf(kind, name, query) {
  const namespace = query.get('namespace')
  const all = (lists[kind] ?? []).filter((one) => !namespace || one.namespace === namespace)
  if (name) {
    const one = all.find((each) => each.name === name)
    if (one) return [200, details(kind, one)]
    const gone = problem(
      'not-found',
      404,
      'There is no such thing',
      `${name} is not there.`,
      'Read the list again.',
    )
    return [gone.status, gone]
  }
  const words = (query.get('find') ?? '').toLowerCase().split(/\s+/)
  const whose = query.get('whose')
  const found = all.filter(
    (one) =>
      (!whose || one.is_ours === (whose === 'ours')) &&
      words.every((word) => `${one.namespace} ${one.name} ${one.note}`.toLowerCase().includes(word)),
  )
  const from = Number(query.get('after') ?? 0)
  const to = from + Number(query.get('limit') ?? 50)
  return [200, { items: found.slice(from, to), ...(to < found.length ? { next: String(to) } : {}) }]
}
