// What the mock server knows of environments, and of what goes from one to another.
import { ago } from './mock-data.mjs'
import { team } from './mock-views.mjs'
import { problem } from './mock-words.mjs'

const one = (name, first, applications, cluster = 'local') => ({
  name,
  first,
  applications,
  cluster,
  created_at: ago(9000),
})
const all = [one('production', true, 5), one('staging', false, 1, 'prod')]
/** With the first one on another cluster, where a story wants that. */
const placedOn = (cluster) => all.map((each) => (each.first && cluster ? { ...each, cluster } : each))

const copyPreview = (app, { to, name, copy_secrets, secrets = {} }) => {
  const given = 'SMTP_PASSWORD' in secrets
  return {
    environment: to,
    name: name ?? app,
    release: 128,
    rows: [
      {
        what: 'name',
        about: name ?? app,
        path: '',
        before: `production/${app}`,
        after: `${to}/${name ?? app}`,
      },
      {
        what: 'host',
        about: 'web',
        path: 'components.web.routes',
        before: `${app}.example.org`,
        after: `${app}--${to}--${team}.localhost`,
      },
      { what: 'volume', about: 'uploads', path: '', before: 'data', after: 'empty' },
      { what: 'secret', about: 'SESSION_KEY', path: '', before: 'set', after: 'new' },
      {
        what: 'secret',
        about: 'SMTP_PASSWORD',
        path: '',
        before: 'set',
        after: given ? 'as given' : copy_secrets ? 'copied' : 'missing',
      },
    ],
    notes: [
      `PUBLIC_URL of web names ${app}.example.org, which stays the original's: set it in the copy where that is wrong.`,
    ],
    missing: given || copy_secrets ? [] : ['SMTP_PASSWORD'],
  }
}

const promotePreview = (app, { to, images_only }) => ({
  environment: to,
  name: app,
  from_release: 128,
  number: 41,
  diff: [
    {
      component: 'web',
      change: 'changed',
      rows: [
        { what: 'image', change: 'changed', before: 'web:41', after: 'web:42' },
        ...(images_only
          ? []
          : [{ what: 'env LOG_LEVEL', change: 'changed', before: 'info', after: 'debug' }]),
      ],
    },
  ],
  effects: [],
  notes: [],
  usual_ms: null,
  beyond_images: images_only ? [] : ['web: env LOG_LEVEL: info → debug'],
})

/** The answer to a request about environments, as the arguments of `send`; nothing where it is about something else. */
export function environments(method, path, body, placed, begin) {
  const list = `/teams/${team}/environments`
  if (path === list && method === 'GET') return [200, { items: placedOn(placed) }]
  if (path === list) {
    if (all.some((known) => known.name === body.name))
      return [
        409,
        problem(
          'name.taken',
          409,
          'The name is taken',
          `There is one named ${body.name}.`,
          'Choose another.',
        ),
      ]
    all.push(one(body.name, false, 0, body.cluster))
    return [201, all.at(-1)]
  }
  const entry = new RegExp(`^${list}/([^/]+)$`).exec(path)
  if (entry && method === 'DELETE') {
    const at = all.findIndex((known) => known.name === entry[1])
    const [{ name, cluster }] = all.splice(at, 1)
    const holds = ['PersistentVolumeClaim data']
    const left = cluster === 'local' ? undefined : { cluster, name: `${team}--${name}`, holds }
    return [200, { deleted: name, left }]
  }
  const what = /\/applications\/([^/]+)\/(copy|promote)(\/preview)?$/.exec(path)
  if (!what) return undefined
  const [, app, verb, preview] = what
  if (preview) return [200, verb === 'copy' ? copyPreview(app, body) : promotePreview(app, body)]
  return [202, begin(app, verb)]
}
