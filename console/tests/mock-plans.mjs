// Plans of texts that somebody sent: a compose file with something of everything that a report can say.
import { problem } from './mock-words.mjs'

export const sheet = `name: guestbook
services:
  web:
    image: ghcr.io/paperlane/guestbook:2.4
    ports: ["8080:3000"]
    isolation: hyperv
    cap_add: [NET_ADMIN]
    environment:
      LEVEL: \${LEVEL:-info}
    depends_on: [db]
  db:
    image: postgres:17
    volumes: [data:/var/lib/postgresql/data]
volumes:
  data: {}
`

export function planOfTexts({ source, name }) {
  if (!('text' in source) && !('files' in source)) return undefined
  const texts = source.files ?? [{ path: 'pasted', text: source.text }]
  if (!texts.some(({ text }) => /^services:/m.test(text))) return undefined
  const named = name ?? 'guestbook'
  return {
    detected: { kind: 'compose', why: ['It is a compose file.'], alternatives: [] },
    spec: {
      apiVersion: 'pluvio/v1',
      name: named,
      components: {
        web: {
          image: 'ghcr.io/paperlane/guestbook:2.4',
          ports: { http: { port: 3000, protocol: 'http' } },
          env: { LEVEL: '${settings.LEVEL}' },
          uses: ['db'],
          host: { capabilities: ['NET_ADMIN'] },
        },
        db: { image: 'postgres:17', volumes: { '/var/lib/postgresql/data': { name: 'data' } } },
      },
      settings: { LEVEL: { default: 'info', required: false } },
    },
    yaml: `apiVersion: pluvio/v1\nname: ${named}\ncomponents:\n  web:\n    image: ghcr.io/paperlane/guestbook:2.4\n    ports:\n      http: { port: 3000, protocol: http }\n    host: { capabilities: [NET_ADMIN] }\n`,
    report: [
      {
        outcome: 'adapted',
        at: 'services.web.ports',
        line: 5,
        message:
          '8080:3000 looks like HTTP: it is reached through the gateway, at the application’s address, and redeploys lose no request.',
        remedy: 'For the machine’s own port 8080 write `publish: [{ host: 8080, port: 3000 }]`.',
      },
      {
        outcome: 'refused',
        at: 'services.web.isolation',
        line: 6,
        message: 'It is for containers of Windows.',
        remedy: 'Take it out.',
      },
      {
        outcome: 'adapted',
        at: 'services.web.cap_add',
        line: 7,
        message:
          'It is kept; it reaches beyond the container, so deploying it needs the permission for host access.',
      },
    ],
    errors: [],
    urls: [`http://${named}.localhost:8080`],
    texts,
    permissions: [{ permission: 'host:access', path: 'components.web.host.capabilities', held: true }],
  }
}

export function fetched(url) {
  if (/\/\/10\./.test(url))
    return {
      error: problem(
        'source.fetch',
        422,
        'The address cannot be fetched',
        '10.0.0.1 is 10.0.0.1, an address of this machine or of a private network.',
        'Download the file and choose it.',
      ),
    }
  return { url, name: url.split('/').at(-1), bytes: sheet.length, text: sheet }
}
