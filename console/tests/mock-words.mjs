// What the mock server says: plans, problems, the lines of logs.

export const problem = (code, status, title, cause, remedy) => ({
  code,
  status,
  title,
  cause,
  remedy,
  evidence: [],
  help: `pluvio explain ${code}`,
})

export const samples = [
  { name: 'node', title: 'Guestbook', language: 'Node.js' },
  { name: 'python', title: 'Guestbook', language: 'Python' },
  { name: 'go', title: 'Guestbook', language: 'Go' },
  { name: 'static', title: 'Guestbook', language: 'HTML' },
]

export const diffRows = [
  { what: 'image', change: 'changed', before: 'sha256:b02e91a0c3d5', after: 'sha256:9d41c7be02e9' },
  { what: 'commit', change: 'changed', before: 'e7709bd', after: 'b81e0d4' },
  { what: 'env PRICE_CACHE_TTL', change: 'added', before: null, after: '300' },
  { what: 'env LEGACY_RECS', change: 'removed', before: 'on', after: null },
  { what: 'limits.memory', change: 'changed', before: '384Mi', after: '512Mi' },
]

export function planOf({ source, name }) {
  const [kind] = Object.keys(source)
  const named =
    name ??
    (kind === 'image'
      ? (source.image.split('/').at(-1)?.split(':')[0] ?? 'app')
      : kind === 'git'
        ? source.git.url
            .split('/')
            .at(-1)
            .replace(/\.git$/, '')
        : kind === 'sample'
          ? source.sample
          : 'guestbook')
  if (kind === 'git' && source.git.url.includes('nowhere'))
    return {
      error: problem(
        'git.host-not-found',
        422,
        'The Git host cannot be reached',
        'nowhere.test has no address.',
        'Check the host’s name, or the machine’s name resolution with `pluvio doctor`.',
      ),
    }
  const own =
    kind === 'image'
      ? { image: source.image }
      : { source: { path: '.' }, build: { builder: 'node', version: '22' } }
  return {
    detected: {
      kind: kind === 'image' ? 'image' : 'node',
      why:
        kind === 'image'
          ? [`${source.image} is an image reference.`, 'The image exposes port 3000.']
          : [
              'package.json names the program, and package-lock.json its packages.',
              '“engines” asks for Node.js 22.',
              'npm start runs server.js, which listens on $PORT.',
            ],
      alternatives: kind === 'image' ? [] : ['static files in public/'],
    },
    spec: {
      apiVersion: 'pluvio/v1',
      name: named,
      components: {
        web: {
          ...own,
          ports: { http: { port: 3000, protocol: 'http' } },
          resources: { memory: { limit: '512Mi' } },
        },
      },
      secrets: { SESSION_KEY: { generate: true } },
    },
    yaml: `apiVersion: pluvio/v1\nname: ${named}\ncomponents:\n  web:\n${kind === 'image' ? `    image: ${source.image}\n` : '    source: { path: . }\n    build: { builder: node, version: "22" }\n    command: [npm, start]\n'}    ports:\n      http: { port: 3000, protocol: http }\n    env:\n      SESSION_KEY: "\${secrets.SESSION_KEY}"\n    resources:\n      memory: { limit: 512Mi }\n    probes:\n      ready: { http: { path: /healthz }, period: 5s }\nsecrets:\n  SESSION_KEY: { generate: true }\n`,
    report: [
      { outcome: 'kept', at: 'scripts.start', message: 'runs the program' },
      { outcome: 'kept', at: 'engines.node', message: 'chooses the version' },
      {
        outcome: 'adapted',
        at: 'components.web.env.SESSION_KEY',
        line: 9,
        message: 'SESSION_KEY is read by server.js; it is generated and sealed.',
        remedy: null,
      },
    ],
    errors: [],
    urls: [`http://${named}.localhost:8080`],
  }
}

export const words = {
  fetch: [
    ['info', 'Cloning https://git.paperlane.test/storefront.git, branch main'],
    ['info', 'b81e0d4 “Retry search once on connection reset” by Jun Takeda'],
    ['info', '412 files, 3.1 MiB'],
  ],
  build: [
    ['info', 'Detected Node.js 22 from package.json; program npm start'],
    ['command', 'STEP 1/7: FROM localhost/pluvio/base/node:22'],
    ['command', 'STEP 3/7: RUN npm ci --omit=dev'],
    ['info', 'added 212 packages in 8 s'],
    ['warning', 'npm warn deprecated inflight@1.0.6: this module leaks memory'],
    ['command', 'STEP 5/7: RUN npm run build'],
    ['info', 'vite v8.3.8 building for production…'],
    ['info', '✓ 1204 modules transformed.'],
    ['command', 'STEP 7/7: COMMIT storefront/web'],
  ],
  keep: [['info', 'kept as sha256:9d41c7be02e9, 148 MiB in 6 layers']],
  decide: [['info', 'r7 from r6: image, 1 variable']],
  apply: [['info', 'stage 19 handed to the node']],
  start: [
    ['info', 'web--7c9f1d2e-k2x7 container started'],
    ['info', 'web--7c9f1d2e-k2x7 GET /healthz on 3000: 200 in 3 ms'],
    ['warning', 'web--7c9f1d2e-m8d1 GET /healthz on 3000: connection refused (1 of 3)'],
    ['info', 'web--7c9f1d2e-m8d1 GET /healthz on 3000: 200 in 4 ms'],
  ],
  shift: [['info', 'gateway acknowledged 3 endpoints']],
  drain: [['info', 'web--5d1b77aa-c3wv drained, 0 requests left']],
}
export const appLines = [
  [
    'out',
    '{"level":"info","msg":"request","method":"GET","path":"/api/v2/books/9780141439518","status":200,"took":"14ms"}',
  ],
  [
    'out',
    '{"level":"info","msg":"request","method":"POST","path":"/api/v2/cart/items","status":201,"took":"22ms"}',
  ],
  ['out', '{"level":"info","msg":"price cache warmed","regions":14,"entries":52110,"took":"402ms"}'],
  [
    'err',
    '{"level":"warn","msg":"upstream retry","upstream":"search","reason":"connection reset","attempt":1}',
  ],
  ['out', '{"level":"info","msg":"request","method":"GET","path":"/healthz","status":200,"took":"1ms"}'],
  [
    'err',
    '{"level":"error","msg":"payment authorisation failed","provider":"stripe","error":"context deadline exceeded","order":"ord_8Q2mZ"}',
  ],
  ['pluvio', 'readiness GET /healthz on 3000: 200 in 3 ms'],
  ['out', '{"level":"info","msg":"job done","queue":"thumbnails","id":"8f21c","took":"318ms"}'],
]
