/** What the address of a cluster's objects holds. Apart from the page, which is loaded later than the router. */

/** The kinds in the order in which they are offered; their names are Kubernetes' own in every language. */
export const kinds = {
  pods: 'Pods',
  deployments: 'Deployments',
  statefulsets: 'StatefulSets',
  daemonsets: 'DaemonSets',
  jobs: 'Jobs',
  cronjobs: 'CronJobs',
  services: 'Services',
  ingresses: 'Ingresses',
  httproutes: 'HTTPRoutes',
  configmaps: 'ConfigMaps',
  secrets: 'Secrets',
  hpas: 'HorizontalPodAutoscalers',
  namespaces: 'Namespaces',
  nodes: 'Nodes',
  events: 'Events',
} as const
export type Kind = keyof typeof kinds
export const isNamespaced = (kind: Kind) => kind !== 'nodes' && kind !== 'namespaces'

export interface ObjectsSearch {
  kind?: Kind
  namespace?: string
  find?: string
  whose?: 'ours' | 'foreign'
}

const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
export const asObjectsSearch = (search: Record<string, unknown>): ObjectsSearch => ({
  kind:
    typeof search.kind === 'string' && Object.hasOwn(kinds, search.kind) ? (search.kind as Kind) : undefined,
  namespace: text(search.namespace),
  find: text(search.find),
  whose: search.whose === 'ours' || search.whose === 'foreign' ? search.whose : undefined,
})
