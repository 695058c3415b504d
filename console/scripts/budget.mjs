// Sizes that the design promises, measured on what was built: gzip, as the server sends it.
import { readdirSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const dist = new URL('../dist/', import.meta.url)
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'))
const gzip = (file) => gzipSync(readFileSync(new URL(file, dist))).length
const kb = (bytes) => `${(bytes / 1000).toFixed(1)} kB`

/** The chunk and everything it imports at once, without what it loads later. */
function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen
  seen.add(key)
  for (const next of manifest[key]?.imports ?? []) closure(next, seen)
  return seen
}

const entry = Object.keys(manifest).find((key) => manifest[key].isEntry)
const initial = closure(entry)
// The language in use is loaded before the first render too.
const language = Object.keys(manifest).filter((key) => /src\/i18n\/(en|zh)\.ts$/.test(key))
const size = (keys) => keys.reduce((sum, key) => sum + gzip(manifest[key].file), 0)
const styles = new Set([...initial].flatMap((key) => manifest[key].css ?? []))
const fonts = readdirSync(new URL('assets/', dist)).filter((file) => file.endsWith('.woff2'))

const rows = [
  ['initial JavaScript', size([...initial]) + Math.max(...language.map((key) => size([key]))), 250_000],
  ['initial CSS', [...styles].reduce((sum, file) => sum + gzip(file), 0), 20_000],
  [
    'fonts',
    fonts.reduce((sum, file) => sum + readFileSync(new URL(`assets/${file}`, dist)).length, 0),
    115_000,
  ],
]
for (const key of Object.keys(manifest)) {
  if (!manifest[key].isDynamicEntry || language.includes(key)) continue
  const own = [...closure(key)].filter((other) => !initial.has(other))
  rows.push([`route ${manifest[key].src ?? key}`, size(own), 100_000])
}
let over = 0
for (const [name, bytes, limit] of rows) {
  const ok = bytes <= limit
  if (!ok) over += 1
  if (!ok || !name.startsWith('route') || bytes > 20_000)
    console.log(`  ${ok ? 'within' : 'OVER  '} ${name}: ${kb(bytes)} of ${kb(limit)}`)
}
process.exit(over ? 1 : 0)
