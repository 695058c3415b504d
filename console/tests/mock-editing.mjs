// What the mock server answers about graphs, usage, and specifications as they are edited.
import { graphOf, largeGraph, teamGraph, withParts } from './mock-topology.mjs'
import { preview, spec } from './mock-views.mjs'
import { problem } from './mock-words.mjs'

const reading = (spec) => ({
  spec,
  // JSON is YAML, so the mock writes that.
  yaml: `${JSON.stringify(spec, null, 2)}\n`,
  problems: Object.entries(spec.components ?? {}).flatMap(([name, one]) =>
    (one.uses ?? [])
      .map((used) => (typeof used === 'string' ? used : used.component))
      .filter((used) => !spec.components[used])
      .map((used) => ({
        ...problem(
          'spec.reference',
          422,
          'It names what is not there',
          `There is no component ${used}.`,
          'Name another.',
        ),
        at: { path: `components.${name}.uses` },
      })),
  ),
  report: [],
})

/** The arguments of an answer, or nothing where the path is another's. */
export function ofEnvironment(rest, apps, body) {
  if (rest === '/topology') return [200, teamGraph(apps)]
  if (rest !== '/spec/read') return undefined
  if (body.spec) return [200, reading(body.spec)]
  try {
    return [200, reading(JSON.parse(body.yaml))]
  } catch {
    const wrong = problem(
      'spec.invalid',
      422,
      'The specification is not valid',
      'This is no YAML.',
      'Mend it.',
    )
    return [200, { yaml: body.yaml, problems: [{ ...wrong, at: { line: 2, path: '' } }], report: [] }]
  }
}

/** The same below an application; `run` makes an operation of the change. */
export function ofApplication(app, components, { what, method, body, tag, ifMatch }, run) {
  app.spec ??= withParts(spec(app))
  if (what === '/topology') return [200, components ? largeGraph(components) : graphOf(app.spec)]
  if (what === '/spec/preview') {
    const before = app.spec.components
    const diff = Object.entries(body.spec.components)
      .filter(([name, one]) => JSON.stringify(before[name]) !== JSON.stringify(one))
      .map(([name, one]) => {
        const change = before[name] ? 'changed' : 'added'
        const uses = (of) => JSON.stringify(of.uses ?? [])
        const row = before[name]
          ? { what: 'uses', before: uses(before[name]), after: uses(one) }
          : { what: 'image', before: null, after: one.image ?? one.database ?? '' }
        return { component: name, change, rows: [{ ...row, change }] }
      })
    return [200, { ...preview(app, []), diff }]
  }
  if (what !== '/spec') return undefined
  if (method !== 'PATCH') return [200, { revision: app.releases[0].number, spec: app.spec, yaml: '' }, tag]
  if (ifMatch !== tag.etag) {
    const late = problem(
      'precondition',
      412,
      'Somebody was faster',
      'There is a newer revision.',
      'Read it again.',
    )
    return [412, late]
  }
  app.spec = body.spec
  return [202, run()]
}

/** An hour of every instance, a point a minute. */
export const usageOf = (app) => ({
  instances: Object.fromEntries(
    app.components
      .flatMap((each) => each.instances)
      .map((one) => [
        one.name,
        Array.from({ length: 60 }, (_, i) => ({
          at: new Date(Date.now() - (59 - i) * 60_000).toISOString(),
          cpu_millis: Math.round(340 + 90 * Math.sin(i / 7) + 40 * Math.sin(i * 1.3)),
          memory_bytes: Math.round((124 + 8 * Math.sin(i / 11)) * 1024 * 1024),
        })),
      ]),
  ),
})
