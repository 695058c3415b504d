/** Doing the same to several components of several applications, in any environment of the team. */
import { useState } from 'react'
import { Problem } from '../api/problem'
import { actOn, scale } from '../api/queries'
import type { Operation, WorkloadSummary } from '../api/types'
import { useI18n } from '../i18n'
import type { Act } from '../pages/batch'
import { toast } from '../ui/toast'
import { byApplication } from './choose'

export function useWorkloadActs(team: string, after: () => void) {
  const { t } = useI18n()
  const [busy, setBusy] = useState(false)
  const ask = async (asks: { name: string; asked: Promise<Operation> }[]) => {
    setBusy(true)
    const all = await Promise.allSettled(asks.map((one) => one.asked))
    const done = all.filter((one) => one.status === 'fulfilled').length
    if (done > 0) toast('ok', t('batch.asked', { n: done }))
    all.forEach((one, index) => {
      if (one.status === 'rejected') {
        const { title, cause } = Problem.of(one.reason)
        toast('bad', t('batch.failed', { name: asks[index]?.name ?? '' }), cause || title)
      }
    })
    setBusy(false)
    after()
  }
  const run = (what: Act, chosen: WorkloadSummary[]) =>
    ask(
      byApplication(chosen).map(({ environment: env, application, components }) => ({
        name: `${application} ${components.join(', ')}`,
        asked: actOn({ team, env }, application, what, components),
      })),
    )
  const toScale = (chosen: WorkloadSummary[], instances: number) =>
    ask(
      chosen.map(({ environment: env, application, component }) => ({
        name: `${application} ${component}`,
        asked: scale({ team, env }, application, component, instances),
      })),
    )
  return { busy, run, toScale }
}
