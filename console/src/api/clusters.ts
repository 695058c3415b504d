/** What the console asks about clusters, and what it changes of them. */
import type { ObjectsSearch } from '../clusters/objects-search'
import { useAgain } from './again'
import { get, post, remove } from './client'
import { useMay, usePages } from './queries'
import { invalidate, useResource } from './resource'
import type {
  CheckReport,
  ClusterAdded,
  ClusterOverview,
  ClusterRemoved,
  ClusterRequest,
  ClusterSummary,
  ObjectDetail,
  ObjectRow,
  Page,
} from './types'

const list = '/clusters'
const one = (name: string) => `${list}/${name}`

/** The engine of the machine and the clusters that were added; nothing for whoever may not see them. */
export function useClusters(live = false) {
  const may = useMay('cluster:read')
  return useAgain<Page<ClusterSummary>>(may ? list : undefined, live)
}

export function useCluster(name: string | undefined) {
  const may = useMay('cluster:read') && name !== undefined
  return useAgain<ClusterSummary>(may ? one(name) : undefined)
}

/** Nodes, events and workloads as they are now; asked for only of a Kubernetes cluster. */
export function useClusterOverview(name: string | undefined) {
  const may = useMay('cluster:read') && name !== undefined
  return useAgain<ClusterOverview>(may ? `${one(name)}/overview` : undefined)
}

/** What is in a cluster of one kind, whoever made it: read when it is shown, and when it is asked for again. */
export function useClusterObjects(name: string, kind: string, by: ObjectsSearch) {
  const query = new URLSearchParams({ limit: kind === 'namespaces' ? '200' : '100' })
  for (const what of ['namespace', 'find', 'whose'] as const) {
    const value = by[what]
    if (value) query.set(what, value)
  }
  return usePages<ObjectRow>(`${one(name)}/objects/${kind}?${query}`)
}

export function useClusterObject(name: string, kind: string, object: string, namespace: string | undefined) {
  const at = namespace ? `?namespace=${encodeURIComponent(namespace)}` : ''
  return useResource<ObjectDetail>(`${one(name)}/objects/${kind}/${encodeURIComponent(object)}${at}`)
}

export const checkCluster = (body: ClusterRequest) => post<CheckReport>(`${list}/check`, body)

export async function addCluster(body: ClusterRequest) {
  const added = await post<ClusterAdded>(list, body)
  await refresh()
  return added
}

export async function removeCluster(name: string, abandon: boolean) {
  const removed = await remove<ClusterRemoved>(`${one(name)}?confirm=${name}&abandon=${abandon}`)
  await refresh()
  return removed
}

/** The list itself, and what is shown of each that is in it. */
const refresh = () => get(list).then(() => invalidate(list))
