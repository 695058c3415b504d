// What the mock server knows of images in a registry.
import { ago } from './mock-data.mjs'
import { problem } from './mock-words.mjs'

const mib = 2 ** 20
const digest = (n) => `sha256:${String(n).repeat(64).slice(0, 64)}`

export function imagesOf(data) {
  const tag = (name, n, size, minutes) => ({
    name,
    digest: digest(n),
    media_type: 'application/vnd.oci.image.manifest.v1+json',
    bytes: size * mib,
    updated_at: ago(minutes),
  })
  const tags = {
    'paperlane/storefront/web': [
      tag('image-9d41c7be02e9', 9, 148, 30),
      tag('image-5d1b77aa31c0', 5, 147, 2900),
      tag('latest', 9, 148, 30),
    ],
    'paperlane/storefront/api': [tag('image-0c2f9a51d2e4', 3, 92, 30)],
    'paperlane/tools/backup': [tag('1', 7, 31, 40000)],
  }
  if (data === 'empty') for (const name of Object.keys(tags)) delete tags[name]
  let quota = 2 ** 30
  const list = () => {
    const items = Object.entries(tags).map(([name, all]) => ({
      name,
      tags: all.length,
      manifests: new Set(all.map((one) => one.digest)).size,
      bytes: all.reduce((sum, one) => sum + one.bytes, 0),
      pushed_at: all[0]?.updated_at,
    }))
    const used = items.reduce((sum, one) => sum + one.bytes, 0)
    return {
      host: data === 'empty' ? undefined : 'images.paperlane.test:5000',
      used,
      quota: data === 'empty' ? undefined : quota,
      items,
    }
  }
  /** `[status, body]`, or nothing where the path is no one's of images. */
  return (method, path, query, body) => {
    if (method === 'POST' && path === '/images/collect')
      return [200, { tags: 0, manifests: 4, contents: 11, files: 9, bytes: 310 * mib, uploads: 0 }]
    const rest = /^\/teams\/[\w-]+\/images(\/\w+)?$/.exec(path)
    if (!rest) return undefined
    if (method === 'GET' && !rest[1]) return [200, list()]
    if (method === 'PUT') {
      quota = body.bytes ?? 50 * 2 ** 30
      return [200, list()]
    }
    const repository = query.get('repository')
    const all = tags[repository]
    if (!all) {
      const gone = problem(
        'not-found',
        404,
        'There is no such thing',
        'There is no such repository.',
        'Look at the list.',
      )
      return [404, gone]
    }
    if (method === 'GET') return [200, { items: all }]
    const reference = query.get('reference')
    tags[repository] = all.filter((one) => one.name !== reference && one.digest !== reference)
    if (tags[repository].length === 0) delete tags[repository]
    return [204]
  }
}
