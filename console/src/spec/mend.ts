/** What the server offers to mend, done to a specification. */
import type { ProblemBody, ProblemFix, Spec } from '../api/types'

type Use = string | { component: string; as?: string }

/** The specification with all that these offers say. */
export function mend(spec: Spec, fixes: readonly ProblemFix[]): Spec {
  const components = { ...spec.components }
  const change = (name: string, act: (uses: Use[]) => (Use | undefined)[]) => {
    const found = components[name]
    if (!found) return
    const left = act([...(found.uses ?? [])]).filter((use) => use !== undefined)
    const { uses: _was, ...rest } = found
    components[name] = left.length ? { ...rest, uses: left } : rest
  }
  // From the end, so that what is taken out moves nothing that another offer names.
  const ordered = [...fixes].sort((a, b) => ('index' in b ? b.index : 0) - ('index' in a ? a.index : 0))
  for (const fix of ordered) {
    switch (fix.fix) {
      case 'open-port': {
        const { component, name, port, protocol } = fix
        const found = components[component]
        if (!found || Object.values(found.ports ?? {}).some((known) => known.port === port)) break
        components[component] = { ...found, ports: { ...found.ports, [name]: { port, protocol } } }
        break
      }
      case 'add-use':
        change(fix.component, (uses) =>
          uses.some((use) => nameOf(use) === fix.uses) ? uses : [...uses, fix.uses],
        )
        break
      case 'prefix-use':
        change(fix.component, (uses) =>
          uses.map((use, index) => (index === fix.index ? { component: nameOf(use), as: fix.prefix } : use)),
        )
        break
      case 'remove-use':
        change(fix.component, (uses) => uses.map((use, index) => (index === fix.index ? undefined : use)))
        break
      case 'replace-use':
        change(fix.component, (uses) =>
          uses.map((use, index) =>
            index !== fix.index ? use : typeof use === 'string' ? fix.uses : { ...use, component: fix.uses },
          ),
        )
        break
      // A value is typed into a form.
      case 'set-variable':
        break
    }
  }
  return { ...spec, components }
}

/** What problems offer once these offers are taken: uses behind one that was taken out have moved up. */
export function moved(problems: readonly ProblemBody[], taken: readonly ProblemFix[]): ProblemBody[] {
  const out = taken.filter((fix) => fix.fix === 'remove-use')
  const before = (fix: ProblemFix) =>
    'index' in fix ? out.filter((one) => one.component === fix.component && one.index < fix.index).length : 0
  return problems.map((one) => ({
    ...one,
    fixes: one.fixes?.map((fix) => ('index' in fix ? { ...fix, index: fix.index - before(fix) } : fix)),
  }))
}

const nameOf = (use: Use) => (typeof use === 'string' ? use : use.component)

/** Ports are opened together; of everything else one is chosen. */
export function offersOf(fixes: readonly ProblemFix[]): ProblemFix[][] {
  const ports = fixes.filter((fix) => fix.fix === 'open-port')
  const others = fixes.filter((fix) => fix.fix !== 'open-port' && fix.fix !== 'set-variable')
  return [...(ports.length ? [ports] : []), ...others.map((fix) => [fix])]
}
