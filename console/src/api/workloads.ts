/** What runs of a team, on the engine and on all clusters. */
import { useCallback, useEffect, useRef, useState } from 'react'
import { soon } from './again'
import { get } from './client'
import { Problem } from './problem'
import type { Page, WorkloadSummary } from './types'

async function all(team: string) {
  const items: WorkloadSummary[] = []
  let after = ''
  for (;;) {
    const page = await get<Page<WorkloadSummary>>(`/teams/${team}/workloads?limit=200${after}`)
    items.push(...page.items)
    if (!page.next) return items
    after = `&after=${encodeURIComponent(page.next)}`
  }
}

/** All of them, since they are looked for by any of their words; asked for again a while after the last answer. */
export function useWorkloads(team: string) {
  const [seen, setSeen] = useState<{ team: string; items?: WorkloadSummary[]; problem?: Problem }>()
  const now = useRef(() => {})
  useEffect(() => {
    let round = 0
    let timer: ReturnType<typeof setTimeout>
    const read = async (mine: number) => {
      const tell = (what: { items?: WorkloadSummary[]; problem?: Problem }) =>
        mine === round && setSeen((old) => ({ ...(old?.team === team ? old : {}), team, ...what }))
      try {
        if (!document.hidden) tell({ items: await all(team), problem: undefined })
      } catch (thrown) {
        tell({ problem: Problem.of(thrown) })
      }
      if (mine === round) timer = setTimeout(() => void read(mine), soon)
    }
    now.current = () => {
      clearTimeout(timer)
      round += 1
      void read(round)
    }
    now.current()
    return () => {
      clearTimeout(timer)
      round += 1
    }
  }, [team])
  const refresh = useCallback(() => now.current(), [])
  return { ...(seen?.team === team ? seen : undefined), refresh }
}
