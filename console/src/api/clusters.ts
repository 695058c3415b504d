/** What the console asks about clusters, and what it changes of them. */
import { useEffect, useState } from 'react'
import { get, post, remove } from './client'
import { Problem } from './problem'
import { useMay } from './queries'
import { invalidate, type Resource, useResource } from './resource'
import type {
  CheckReport,
  ClusterAdded,
  ClusterOverview,
  ClusterRemoved,
  ClusterRequest,
  ClusterSummary,
  Page,
} from './types'

const list = '/clusters'
const one = (name: string) => `${list}/${name}`

/** Whether a cluster answers is in no event of a team's environment: it is asked for, while somebody looks. */
const soon = 3_000

function useAgain<T>(resource: Resource<T>, on: boolean): Resource<T> {
  const { refresh } = resource
  useEffect(() => {
    if (!on) return
    const timer = setInterval(() => !document.hidden && refresh(), soon)
    return () => clearInterval(timer)
  }, [on, refresh])
  return resource
}

/** The engine of the machine and the clusters that were added; nothing for whoever may not see them. */
export function useClusters(live = false) {
  const may = useMay('cluster:read')
  return useAgain(useResource<Page<ClusterSummary>>(may ? list : undefined), may && live)
}

export function useCluster(name: string | undefined) {
  const may = useMay('cluster:read') && name !== undefined
  return useAgain(useResource<ClusterSummary>(may ? one(name) : undefined), may)
}

/** Nodes, events and workloads as they are now; asked for only of a Kubernetes cluster. */
export function useClusterOverview(name: string | undefined) {
  const may = useMay('cluster:read') && name !== undefined
  return useAgain(useResource<ClusterOverview>(may ? `${one(name)}/overview` : undefined), may)
}

/** The same of several, each as it was last seen, with what is wrong with it now. */
export function useClusterOverviews(names: string[]) {
  const [all, setAll] = useState<Record<string, { overview?: ClusterOverview; problem?: Problem }>>({})
  const wanted = names.join(' ')
  useEffect(() => {
    let current = true
    const read = (name: string) =>
      get<ClusterOverview>(`${one(name)}/overview`).then(
        (overview) => current && setAll((old) => ({ ...old, [name]: { overview } })),
        (thrown: unknown) =>
          current && setAll((old) => ({ ...old, [name]: { ...old[name], problem: Problem.of(thrown) } })),
      )
    const readAll = () => void Promise.all(wanted.split(' ').filter(Boolean).map(read))
    readAll()
    const timer = setInterval(() => !document.hidden && readAll(), soon)
    return () => {
      current = false
      clearInterval(timer)
    }
  }, [wanted])
  return names.map((name) => ({ name, ...all[name] }))
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
