/**
 * Every field of a specification, as forms show it: what it holds and in which group it stands. `app.yaml` is the same value, so
 * what is here must be what `pluvio schema app` has; a test holds the two together.
 */
import type { Key } from '../i18n'

export type Shape =
  /** `many`: more than one line. */
  | { t: 'text'; many?: boolean; example?: string }
  | { t: 'number'; example?: string }
  | { t: 'flag' }
  /** The first is what counts where nothing is said. */
  | { t: 'choice'; of: readonly string[] }
  /** A line for the shell, or a JSON list of words. */
  | { t: 'command' }
  /** One a line. `numbers`: each is one. */
  | { t: 'list'; numbers?: boolean; example?: string }
  /** Names and texts. */
  | { t: 'pairs'; name: string }
  /** Things by name. `name`: what a new one is called. */
  | { t: 'map'; name: string; fields: readonly Field[] }
  /** `none`: that there is none differs from nothing said. `short`: an item with only this field is written as its value. */
  | { t: 'rows'; fields: readonly Field[]; none?: boolean; short?: string }
  /** `short`: with only this field it is written as its value. */
  | { t: 'group'; fields: readonly Field[]; short?: string }
  /** Any value, as JSON. */
  | { t: 'json' }

export interface Field {
  key: string
  shape: Shape
}
export interface Section {
  id: string
  fields: readonly Field[]
}

const f = (key: string, shape: Shape): Field => ({ key, shape })
const text = (example?: string): Shape => ({ t: 'text', example })
const number = (example?: string): Shape => ({ t: 'number', example })
const flag: Shape = { t: 'flag' }
const command: Shape = { t: 'command' }
const list = (example?: string): Shape => ({ t: 'list', example })
const group = (fields: readonly Field[]): Shape => ({ t: 'group', fields })
const choice = (...of: string[]): Shape => ({ t: 'choice', of })

export const kinds = ['service', 'stateful', 'job', 'cron', 'daemon', 'database', 'external'] as const
export type Kind = (typeof kinds)[number]

const probe = group([
  f(
    'http',
    group([
      f('path', text('/healthz')),
      f('port', text('http')),
      f('host', text()),
      f('status', { t: 'list', numbers: true, example: '200' }),
      f('headers', { t: 'pairs', name: 'X-Header' }),
    ]),
  ),
  f('tcp', group([f('port', text('http'))])),
  f('command', command),
  f('period', text('5s')),
  f('timeout', text('2s')),
  f('delay', text('0s')),
  f('failures', number('3')),
  f('successes', number('1')),
])
const probes = group([
  f('startup', probe),
  f('ready', probe),
  f('live', probe),
  f('unhealthy', choice('restart', 'offline', 'report')),
])
const env: Field = f('env', { t: 'pairs', name: 'NAME' })
const files = f('files', {
  t: 'map',
  name: '/etc/app.conf',
  fields: [
    f('content', { t: 'text', many: true }),
    f('hot', flag),
    f('mode', text('0644')),
    f('raw', flag),
    f('reload', { t: 'json' }),
  ],
})
const volumes = f('volumes', {
  t: 'map',
  name: '/data',
  fields: [
    f('name', text('data')),
    f('type', choice('disk', 'memory', 'host')),
    f('access', choice('exclusive', 'shared')),
    f('size', text('1Gi')),
    f('readOnly', flag),
    f('noCopy', flag),
    f('hostPath', text('/srv/data')),
    f('hostVolume', text('shop_data')),
    f('class', text()),
    f(
      'options',
      group([f('type', text('nfs')), f('device', text(':/export')), f('o', text('addr=10.0.0.2,rw'))]),
    ),
    f('mode', text('1777')),
    f('uid', number('1000')),
    f('gid', number('1000')),
    f('exec', flag),
  ],
})
const range = (example: string) => group([f('request', text()), f('limit', text(example))])
const resources = f(
  'resources',
  group([f('cpu', range('0.5')), f('memory', range('256Mi')), f('pids', number('4096'))]),
)
const scale = f(
  'scale',
  group([
    f('min', number('2')),
    f('max', number('10')),
    f('cpu', number('70')),
    f('memory', number('80')),
    f('custom', {
      t: 'rows',
      fields: [
        f('metric', text('http_requests_per_second')),
        f('of', choice('instances', 'external')),
        f('labels', { t: 'pairs', name: 'queue' }),
        f('perInstance', text('100')),
      ],
    }),
    f('schedule', {
      t: 'rows',
      fields: [
        f('cron', text('0 8 * * 1-5')),
        f('timeZone', text('Europe/Berlin')),
        f('min', number('5')),
        f('max', number('20')),
      ],
    }),
  ]),
)
const host = f(
  'host',
  group([
    f('privileged', flag),
    f('network', flag),
    f('pid', flag),
    f('ipc', flag),
    f('capabilities', list('NET_ADMIN')),
    f('dropCapabilities', list('ALL')),
    f('devices', list('/dev/fuse')),
    f('security', list()),
    f('sysctls', { t: 'pairs', name: 'net.core.somaxconn' }),
  ]),
)
const options = f(
  'options',
  group([
    f('tty', flag),
    f('stdin', flag),
    f('readOnly', flag),
    f('init', flag),
    f('hostname', text()),
    f('domainname', text()),
    f('dns', list('10.0.0.53')),
    f('dnsSearch', list('example.org')),
    f('dnsOptions', list('ndots:2')),
    f('groups', list('video')),
    f('shmSize', text('64Mi')),
    f('ulimits', { t: 'json' }),
  ]),
)
const schedule: Shape = {
  t: 'group',
  short: 'cron',
  fields: [f('cron', text('0 3 * * *')), f('timeZone', text('Europe/Berlin')), f('overlap', flag)],
}
const hook: Shape = {
  t: 'rows',
  fields: [
    f('command', command),
    f('user', text('1000')),
    f('workingDir', text('/srv')),
    f('timeout', text('60s')),
    env,
    f('privileged', flag),
  ],
}
const container: readonly Field[] = [
  f('image', text('registry/name:tag')),
  f('entrypoint', command),
  f('command', command),
  f('workingDir', text('/srv')),
  f('user', text('1000')),
  env,
  files,
  volumes,
  resources,
  f('stopSignal', text('SIGTERM')),
  f('probes', probes),
  host,
  options,
]
const protocol = choice('http', 'http2', 'tcp', 'udp')

export const componentSections: readonly Section[] = [
  {
    id: 'what',
    fields: [
      f('kind', choice(...kinds)),
      f('displayName', text()),
      f('image', text('registry/name:tag')),
      f('database', text('postgres@17')),
      f('parameters', { t: 'pairs', name: 'max_connections' }),
      f('backups', group([f('schedule', schedule), f('keep', number('7')), f('keepFor', text('30d'))])),
      f(
        'source',
        group([
          f('path', text('.')),
          f(
            'git',
            group([
              f('url', text('https://git.example.org/shop.git')),
              f('ref', text('main')),
              f('path', text()),
              f('credential', text()),
            ]),
          ),
          f(
            'svn',
            group([f('url', text()), f('revision', text()), f('path', text()), f('credential', text())]),
          ),
          f('upload', text()),
        ]),
      ),
      f(
        'build',
        group([
          f('builder', choice('auto', 'dockerfile', 'node', 'python', 'go', 'static')),
          f('version', text('22')),
          f('command', command),
          f('output', text('dist')),
          f('dockerfile', text('Dockerfile')),
          f('dockerfileText', { t: 'text', many: true }),
          f('target', text()),
          f('args', { t: 'pairs', name: 'ARG' }),
          f('env', { t: 'pairs', name: 'NAME' }),
          f('secrets', list('NPM_TOKEN')),
          f('ssh', { t: 'pairs', name: 'default' }),
          f('contexts', { t: 'pairs', name: 'base' }),
        ]),
      ),
      f(
        'external',
        group([f('addresses', list('db.example.org:5432')), f('check', probe), f('local', flag)]),
      ),
      f('schedule', schedule),
      f('once', flag),
    ],
  },
  {
    id: 'program',
    fields: [
      f('entrypoint', command),
      f('command', command),
      f('workingDir', text('/srv')),
      f('user', text('1000')),
      f('stopSignal', text('SIGTERM')),
      f('restart', choice('always', 'on-failure', 'never')),
    ],
  },
  { id: 'size', fields: [f('instances', number('1')), scale, resources] },
  {
    id: 'network',
    fields: [
      f('ports', { t: 'map', name: 'http', fields: [f('port', number('8080')), f('protocol', protocol)] }),
      f('imagePorts', flag),
      f('routes', {
        t: 'rows',
        none: true,
        fields: [
          f('host', text('shop.example.org')),
          f('path', text('/')),
          f('exact', flag),
          f('port', text('http')),
        ],
      }),
      f('publish', {
        t: 'rows',
        fields: [
          f('host', number('5432')),
          f('port', text('db')),
          f('address', text('127.0.0.1')),
          f('protocol', protocol),
        ],
      }),
      f('aliases', list()),
      f('networks', list()),
      f('offline', flag),
      f('networkAliases', { t: 'json' }),
      f('extraHosts', { t: 'pairs', name: 'host' }),
    ],
  },
  { id: 'config', fields: [env, files, f('groups', list())] },
  {
    id: 'uses',
    fields: [
      f('uses', { t: 'rows', short: 'component', fields: [f('component', text('db')), f('as', text('DB'))] }),
      f('exports', { t: 'pairs', name: 'URL' }),
    ],
  },
  { id: 'data', fields: [volumes] },
  { id: 'health', fields: [f('probes', probes)] },
  {
    id: 'rollout',
    fields: [
      f(
        'rollout',
        group([
          f('surge', number('1')),
          f('unavailable', number('0')),
          f('drain', text('30s')),
          f('grace', text('10s')),
          f('deadline', text('120s')),
        ]),
      ),
      f('release', group([f('command', command), f('timeout', text('10m'))])),
      f('hooks', group([f('postStart', hook), f('preStop', hook)])),
    ],
  },
  {
    id: 'beside',
    fields: [
      f('sidecars', { t: 'map', name: 'proxy', fields: container }),
      f('init', { t: 'map', name: 'prepare', fields: container }),
    ],
  },
  {
    id: 'machine',
    fields: [
      host,
      options,
      f(
        'placement',
        group([
          f('clusters', list()),
          f('spread', flag),
          f('near', list()),
          f('apart', list()),
          f('nodeLabels', { t: 'pairs', name: 'label' }),
          f('reserved', { t: 'pairs', name: 'key' }),
        ]),
      ),
      f('labels', { t: 'pairs', name: 'label' }),
      f('patch', group([f('engine', { t: 'json' }), f('kubernetes', { t: 'json' })])),
    ],
  },
]

/** What all components share. */
export const sharedSections: readonly Section[] = [
  { id: 'app', fields: [f('displayName', text())] },
  {
    id: 'secrets',
    fields: [
      f('secrets', {
        t: 'map',
        name: 'SECRET',
        fields: [f('generate', flag), f('length', number('32')), f('message', text())],
      }),
    ],
  },
  { id: 'groups', fields: [f('groups', { t: 'map', name: 'shared', fields: [env, files] })] },
  {
    id: 'settings',
    fields: [
      f('settings', {
        t: 'map',
        name: 'SETTING',
        fields: [f('default', text()), f('required', flag), f('message', text())],
      }),
    ],
  },
  {
    id: 'networks',
    fields: [
      f('networks', {
        t: 'map',
        name: 'back',
        fields: [f('internal', flag), f('shared', text('corporate'))],
      }),
      f('objects', { t: 'json' }),
    ],
  },
]

const run: Kind[] = ['service', 'stateful', 'job', 'cron', 'daemon']
const serve: Kind[] = ['service', 'stateful', 'daemon']
/** Fields that only some kinds have. One that holds something is shown all the same. */
const only: Record<string, readonly Kind[]> = {
  image: run,
  source: run,
  build: run,
  database: ['database'],
  parameters: ['database'],
  backups: ['database'],
  external: ['external'],
  schedule: ['cron'],
  once: ['job'],
  entrypoint: run,
  command: run,
  workingDir: run,
  user: run,
  stopSignal: run,
  restart: run,
  instances: ['service', 'stateful'],
  scale: ['service', 'stateful'],
  resources: [...run, 'database'],
  routes: serve,
  publish: [...serve, 'database'],
  ports: [...run, 'external'],
  files: run,
  groups: run,
  uses: run,
  volumes: [...run, 'database'],
  probes: run,
  rollout: [...serve, 'database'],
  release: serve,
  hooks: [...serve, 'database'],
  sidecars: run,
  init: run,
  host: run,
  options: run,
  imagePorts: run,
  placement: [...run, 'database'],
  patch: [...run, 'database'],
  aliases: [...run, 'database'],
  networks: [...run, 'database'],
  offline: run,
  networkAliases: [...run, 'database'],
  extraHosts: run,
}
export const fits = (field: Field, kind: string, value: unknown) =>
  value !== undefined || !only[field.key] || (only[field.key] as readonly string[]).includes(kind)

export const labelOf = (key: string) => `field.${key}` as Key

/** What a new component of a kind begins with. */
export function template(
  kind: Kind,
  from: { image?: string; git?: string; database?: string; address?: string },
) {
  const source = from.git ? { source: { git: { url: from.git } } } : { image: from.image || 'nginx:1.27' }
  switch (kind) {
    case 'database':
      return { kind, database: from.database || 'postgres@17' }
    case 'external':
      return { kind, external: { addresses: [from.address || 'example.org:443'] } }
    case 'cron':
      return { kind, schedule: '0 3 * * *', ...source }
    case 'job':
      return { kind, ...source }
    case 'stateful':
      return { kind, ...source, volumes: { '/data': { name: 'data' } } }
    case 'daemon':
      return { kind, ...source }
    default:
      return { ...source, ports: { http: { port: 8080, protocol: 'http' } } }
  }
}
