// What the mock server knows of volumes and what is in them.
import { ago, id } from './mock-data.mjs'
import { problem } from './mock-words.mjs'

const volume = (name, application, fields = {}) => ({
  id: id(),
  name,
  application,
  state: 'kept',
  used_by: [],
  access: 'exclusive',
  size: 10 * 2 ** 30,
  bytes: 412 * 2 ** 20,
  measured_at: ago(3),
  created_at: ago(40 * 1440),
  released_at: null,
  ends_at: null,
  copy_of: null,
  copying: null,
  ...fields,
})

const file = (name, fields = {}) => ({
  name,
  kind: 'file',
  size: 1204,
  mode: '0644',
  user: 1000,
  group: 1000,
  modified: ago(90),
  ...fields,
})

export function volumesOf({ here, run }) {
  const uses = (application, component, path) => [{ application, component, path, read_only: false }]
  const all = [
    volume('uploads', 'storefront', { state: 'bound', used_by: uses('storefront', 'web', '/data') }),
    volume('media', 'storefront', { access: 'shared', size: null }),
    volume('drafts', 'oldblog', { released_at: ago(2 * 1440) }),
  ]
  const folders = {
    '': [
      file('photos', { kind: 'folder', size: 0, mode: '0755' }),
      file('current', { kind: 'link', size: 0, mode: '0777', target: 'photos' }),
      file('notes.txt'),
    ],
    photos: [file('cat.jpg', { size: 2 ** 21 })],
  }
  const texts = { 'notes.txt': 'buy paper' }
  const refused = (cause) => [409, problem('refused', 409, 'This is refused', cause, 'Do it another way.')]

  return function answer(method, path, query, body, raw) {
    if (method === 'GET' && path === `${here}/volumes`) return [200, { items: all, next: null }]
    const named = path.startsWith(`${here}/volumes/`) && path.slice(here.length + 9).split('/')
    const one = named && all.find((each) => each.id === named[0])
    if (!one) return undefined
    const [, verb] = named
    const at = query.get('path') ?? ''
    const [folder, name] = at.includes('/') ? [at.split('/')[0], at.split('/')[1]] : ['', at]
    if (method === 'GET' && !verb) return [200, one]
    if (method === 'DELETE' && !verb) {
      if (query.get('confirm') !== one.name) return refused('The name is another.')
      return [200, Object.assign(one, { state: 'leaving', ends_at: ago(-7 * 1440) })]
    }
    if (verb === 'restore') return [200, Object.assign(one, { state: 'kept', ends_at: null })]
    if (verb === 'attach') {
      if (one.used_by.length && body.access === 'exclusive')
        return refused(`${one.application} mounts it exclusively.`)
      return [
        202,
        run(body.application, 'configure', `Attach ${one.name}`, ['decide', 'start'], () => {
          Object.assign(one, { state: 'bound', access: body.access })
          one.used_by = [...one.used_by, ...uses(body.application, body.component, body.path)]
        }),
      ]
    }
    if (verb === 'detach')
      return [
        202,
        run(body.application, 'configure', `Detach ${one.name}`, ['decide', 'stop'], () =>
          Object.assign(one, { state: 'kept', used_by: [] }),
        ),
      ]
    if (verb === 'clone') {
      const operation = run(body.application, 'copy-volume', `Copy ${one.name}`, ['copy'], () =>
        Object.assign(copy, { state: 'kept', bytes: one.bytes, measured_at: ago(0), copying: null }),
      )
      const copy = volume(body.name, body.application, {
        state: 'copying',
        bytes: null,
        measured_at: null,
        copy_of: one.id,
        copying: operation.id,
      })
      all.push(copy)
      return [202, operation]
    }
    if (verb === 'files' && method === 'GET') {
      const entries = folders[at]
      if (!entries)
        return [404, problem('not-found', 404, 'There is no such thing', `${at} is not there.`, 'Look.')]
      return [200, { path: at, entries, left_out: 0 }]
    }
    const entries = folders[folder] ?? []
    const there = entries.find((each) => each.name === name)
    if (verb === 'files' && method === 'DELETE') {
      entries.splice(entries.indexOf(there), 1)
      return [200, there]
    }
    if (verb === 'folders') {
      folders[at] = []
      entries.unshift(file(name, { kind: 'folder', size: 0 }))
      return [201, entries[0]]
    }
    if (verb === 'content' && method === 'GET') return { text: texts[at] ?? '\0' }
    if (verb === 'content' && method === 'PUT') {
      if (there && query.get('replace') !== 'true') return refused(`${at} is there already.`)
      texts[at] = raw.toString()
      const written = file(name, { size: raw.length, modified: ago(0) })
      if (there) Object.assign(there, written)
      else entries.push(written)
      return [200, written]
    }
    return undefined
  }
}
