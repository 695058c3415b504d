import type { WorkloadSummary } from '../api/types'

/** What a list of workloads is narrowed by; an empty one narrows nothing. */
export interface Wanted {
  find: string
  cluster: string
  environment: string
  state: string
  kind: string
}
export const anything: Wanted = { find: '', cluster: '', environment: '', state: '', kind: '' }

export const keyOf = (one: WorkloadSummary) => `${one.environment}/${one.application}/${one.component}`

export function matches(one: WorkloadSummary, { find, cluster, environment, state, kind }: Wanted) {
  if (cluster && one.cluster !== cluster) return false
  if (environment && one.environment !== environment) return false
  if (state && one.status !== state) return false
  if (kind && one.kind !== kind) return false
  const nodes = Object.keys(one.nodes ?? {})
  const all = [one.application, one.display_name, one.component, one.kind, one.environment, one.cluster]
  const text = [...all, one.namespace, ...nodes].join(' ').toLowerCase()
  return find
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

/** The components that are chosen, by their application: one operation each. */
export function byApplication(chosen: WorkloadSummary[]) {
  const groups = new Map<string, { environment: string; application: string; components: string[] }>()
  for (const { environment, application, component } of chosen) {
    const key = `${environment}/${application}`
    const group = groups.get(key) ?? { environment, application, components: [] }
    group.components.push(component)
    groups.set(key, group)
  }
  return [...groups.values()]
}
