// What the mock server knows of clusters: the engine, one that answers, one that does not.
import { ago, id } from './mock-data.mjs'
import { objectsOf } from './mock-objects.mjs'
import { problem } from './mock-words.mjs'

const away = problem(
  'cluster.unreachable',
  503,
  'The cluster does not answer',
  'https://edge.paperlane.test:6443 refuses the connection.',
  'Check that its API server runs, and that this machine may reach port 6443.',
)
const GiB = 1024 ** 3
const facts = (runtime, version, cores, memory) => ({
  cluster: id(),
  runtime,
  version,
  architecture: 'amd64',
  reach: 'bridge',
  rootless: false,
  cpu_millis: cores * 1000,
  memory_bytes: memory * GiB,
})
const settings = { gateway: { kind: 'own' }, exposure: 'load-balancer' }

const list = (placed) => [
  {
    name: 'local',
    kind: 'podman',
    address: '/run/podman/podman.sock',
    state: 'connected',
    facts: facts('podman', '4.3.1', 8, 32),
    settings: { gateway: { kind: 'own' } },
    environments: placed === undefined ? ['paperlane/production'] : [],
    created_at: ago(9000),
  },
  {
    name: 'prod',
    kind: 'kubernetes',
    address: 'https://prod.paperlane.test:6443',
    state: 'connected',
    facts: facts('kubernetes', '1.34.4', 24, 96),
    settings: { ...settings, domain: 'apps.paperlane.test', storage_class: 'fast' },
    environments: placed === 'prod' ? ['paperlane/production'] : ['paperlane/staging'],
    created_at: ago(4000),
  },
  {
    name: 'edge',
    kind: 'kubernetes',
    address: 'https://edge.paperlane.test:6443',
    state: 'away',
    since: ago(12),
    problem: away,
    facts: facts('kubernetes', '1.33.2', 4, 8),
    settings: { ...settings, exposure: 'host-port' },
    environments: placed === 'edge' ? ['paperlane/production'] : [],
    created_at: ago(3000),
  },
]

const amounts = (capacity, allocatable, allocated, used) => ({ capacity, allocatable, allocated, used })
const resources = (cores, memory, load) => ({
  cpu: amounts(cores * 1000, cores * 1000 - 400, cores * 700 * load, cores * 300 * load),
  memory: amounts(memory * GiB, (memory - 2) * GiB, memory * 0.5 * GiB * load, memory * 0.4 * GiB * load),
  disk: amounts(200 * GiB, 180 * GiB, 0, null),
})
const whole = (one) => JSON.parse(JSON.stringify(one, (_, n) => (typeof n === 'number' ? Math.round(n) : n)))

const condition = (kind, status, is_good, message = '', reason = `Kubelet${kind}`) => ({
  kind,
  status,
  is_good,
  reason,
  message,
  since: ago(2000),
})
const node = (name, roles, load, pods, instances, change = {}) => ({
  name,
  is_ready: true,
  is_cordoned: false,
  roles,
  addresses: [
    { kind: 'InternalIP', address: `10.4.0.${name.length + pods}` },
    { kind: 'Hostname', address: name },
  ],
  kubelet: '1.34.4',
  container_runtime: 'containerd://2.1.4',
  system: 'Debian GNU/Linux 13 (trixie)',
  architecture: 'amd64',
  zone: 'eu-north-1a',
  resources: resources(8, 32, load),
  pods,
  most_pods: 110,
  instances,
  conditions: [
    condition('Ready', 'True', true, 'kubelet is posting ready status'),
    condition('MemoryPressure', 'False', true),
    condition('DiskPressure', 'False', true),
  ],
  taints: [],
  since: ago(4000),
  ...change,
})

const nodes = [
  node('control-1', ['control-plane'], 0.3, 9, 0, {
    taints: [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }],
  }),
  node('worker-1', [], 0.9, 31, 5),
  node('worker-2', [], 1.28, 44, 7, {
    is_cordoned: true,
    conditions: [
      condition('Ready', 'True', true, 'kubelet is posting ready status'),
      condition('DiskPressure', 'True', false, 'kubelet has disk pressure', 'KubeletHasDiskPressure'),
    ],
  }),
]

const workload = (namespace, application_name, component, kind, wanted, ready, on) => ({
  namespace,
  kind,
  name: `${application_name}--${component}`,
  application: id(),
  application_name,
  component,
  wanted,
  ready,
  nodes: on,
})
const workloads = [
  workload('paperlane--production', 'storefront', 'api', 'Deployment', 3, 2, {
    'worker-1': 1,
    'worker-2': 1,
  }),
  workload('paperlane--production', 'storefront', 'db', 'StatefulSet', 1, 1, { 'worker-2': 1 }),
  workload('paperlane--staging', 'storefront', 'web', 'Deployment', 2, 2, { 'worker-1': 2 }),
  workload('paperlane--staging', 'nightly', 'purge', 'CronJob', 0, 0, {}),
]

const event = (is_warning, reason, message, kind, namespace, name, count, minutes, source) => ({
  is_warning,
  reason,
  message,
  kind,
  namespace,
  name,
  count,
  first: ago(minutes + 5),
  last: ago(minutes),
  source,
})
const events = [
  event(
    true,
    'FailedScheduling',
    '0/3 nodes are available: 1 had an untolerated taint, 2 Insufficient memory.',
    'Pod',
    'paperlane--production',
    'storefront--api-6d9f7c5b8-x2lqp',
    14,
    3,
    'default-scheduler',
  ),
  event(
    false,
    'NodeSchedulable',
    'Node worker-1 status is now: NodeSchedulable',
    'Node',
    null,
    'worker-1',
    1,
    50,
    'kubelet, worker-1',
  ),
]

const sum = (what) =>
  Object.fromEntries(
    ['capacity', 'allocatable', 'allocated', 'used'].map((part) => [
      part,
      nodes.every((one) => one.resources[what][part] == null)
        ? null
        : nodes.reduce((all, one) => all + (one.resources[what][part] ?? 0), 0),
    ]),
  )
const overview = whole({
  version: '1.34.4',
  unseen: [],
  resources: { cpu: sum('cpu'), memory: sum('memory'), disk: sum('disk') },
  ready_nodes: 3,
  pods: 84,
  nodes,
  workloads,
  events,
})

const step = (name, state, found, more = {}) => ({ name, state, found, details: [], ...more })
const report = (kubeconfig) => {
  const expired = kubeconfig.includes('expired')
  const rest = [
    step('version', 'passed', 'Kubernetes 1.34.4.'),
    step('permissions', 'passed', 'All that Pluvio does is allowed.'),
    step(
      'account',
      'passed',
      'An account with only what Pluvio needs can be made in the namespace pluvio-system.',
    ),
    step('storage-classes', 'passed', '2 storage classes, standard is the default.', {
      details: ['standard: csi.paperlane.test', 'fast: csi.paperlane.test'],
    }),
    step('ingress', 'warning', 'Nothing gives Services of type LoadBalancer an address.', {
      remedy: 'Install one such as MetalLB, or have the gateway reached by `--expose node-port`.',
    }),
    step('network-policies', 'passed', 'calico enforces them.'),
    step('metrics', 'warning', 'The cluster does not measure what nodes and pods use.', {
      remedy: 'Install metrics-server.',
    }),
    step('nodes', 'passed', '3 of 3 nodes are ready, amd64.'),
  ]
  return {
    at: new Date().toISOString(),
    server: 'https://new.paperlane.test:6443',
    version: '1.34.4',
    steps: [
      step('kubeconfig', 'passed', 'It leads to https://new.paperlane.test:6443.'),
      step('reach', 'passed', 'The API server answers.'),
      expired
        ? step(
            'identity',
            'failed',
            "The kubeconfig's certificate or token expired at 2026-01-04T10:00:00Z.",
            {
              remedy: 'Get a new kubeconfig from whoever runs the cluster.',
            },
          )
        : step('identity', 'passed', 'The cluster knows the credential as admin.'),
      ...(expired ? rest.map(({ name }) => step(name, 'skipped', 'An earlier step failed.')) : rest),
    ],
    findings: {
      user: 'admin',
      can_make_account: true,
      storage_classes: ['standard', 'fast'].map((name, index) => ({
        name,
        provisioner: 'csi.paperlane.test',
        is_default: index === 0,
        can_expand: true,
        keeps: false,
        waits_for_pod: true,
      })),
      gateway_api: true,
      gateways: ['ingress/public'],
      load_balancer: { guess: 'unlikely' },
      network_policies: { state: 'enforced', by: 'calico' },
      metrics: false,
      architectures: ['amd64'],
      nodes: 3,
      ready_nodes: 3,
    },
  }
}

const none = (name) =>
  problem('not-found', 404, 'There is no such thing', `There is no cluster ${name}.`, 'Check the name.')
const refused = (one) => [one.status, one]

/** The answer to a request about clusters, as the arguments of `send`; `placed` is the one that production is on. */
export function clustersOf({ placed, none: engineOnly }) {
  const all = engineOnly ? list(placed).slice(0, 1) : list(placed)
  return (method, path, query, body) => {
    if (path === '/clusters' && method === 'GET') return [200, { items: all }]
    if (path === '/clusters/check') return [200, report(body.kubeconfig)]
    if (path === '/clusters') {
      const known = all.find((one) => one.name === body.name)
      const made = known ?? {
        name: body.name,
        kind: 'kubernetes',
        address: 'https://new.paperlane.test:6443',
        state: 'connected',
        facts: facts('kubernetes', '1.34.4', 24, 96),
        environments: [],
        created_at: new Date().toISOString(),
      }
      made.settings = body.settings
      if (!known) all.push(made)
      return [201, { ...made, report: report(body.kubeconfig) }]
    }
    const inside = /^\/clusters\/([^/]+)\/objects\/([^/]+)(?:\/(.+))?$/.exec(path)
    if (inside) {
      const one = all.find(({ name }) => name === inside[1])
      if (!one) return refused(none(inside[1]))
      return one.state === 'away' ? refused(away) : objectsOf(inside[2], inside[3], query)
    }
    const entry = /^\/clusters\/([^/]+)(\/overview)?$/.exec(path)
    if (!entry) return undefined
    const one = all.find(({ name }) => name === entry[1])
    if (!one) return refused(none(entry[1]))
    if (method === 'DELETE') {
      if (query.get('confirm') !== one.name)
        return refused(
          problem('request.invalid', 400, 'It is not confirmed', 'Another name.', 'Give the name.'),
        )
      all.splice(all.indexOf(one), 1)
      const abandon = query.get('abandon') === 'true'
      const volumes = abandon
        ? []
        : [{ namespace: 'paperlane--staging', name: 'storefront--db-data', size: '10Gi' }]
      return [200, { volumes }]
    }
    if (!entry[2]) return [200, one]
    return one.state === 'away' ? refused(away) : [200, overview]
  }
}
