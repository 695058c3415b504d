/** The components of an application of several, to start, stop and restart some of them. */

import { useState } from 'react'
import { Problem } from '../../api/problem'
import { actOn, useMay } from '../../api/queries'
import type { ApplicationDetail } from '../../api/types'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card } from '../../ui/card'
import { asState, Status } from '../../ui/status'
import { toast } from '../../ui/toast'
import { type Act, BatchBar, Tick, useChosen } from '../batch'

export function ComponentsCard({ app }: { app: ApplicationDetail }) {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('application:operate')
  const picked = useChosen(app.components.map((one) => one.name))
  const [busy, setBusy] = useState(false)
  if (app.components.length < 2) return null
  const run = async (what: Act) => {
    setBusy(true)
    try {
      const operation = await actOn(place, app.name, what, picked.chosen)
      toast('ok', operation.title ?? t(`app.asked.${what}`, { app: app.name }))
      picked.none()
    } catch (thrown) {
      toast('bad', Problem.of(thrown).title, Problem.of(thrown).cause)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Card title={t('batch.components')} hint={t('batch.componentsHint')}>
      <ul className="divide-y divide-line">
        {app.components.map((one) => (
          <li key={one.name} className="flex min-h-9 items-center gap-3 px-4 py-1">
            <Tick name={one.name} checked={picked.has(one.name)} onChange={() => picked.toggle(one.name)} />
            <span className="min-w-0 flex-1 truncate text-sm font-medium">{one.name}</span>
            <span className="num text-xs text-fg-3">
              {one.stopped
                ? ''
                : `${one.instances.filter((i) => i.state.state === 'ready').length}/${one.instances_wanted}`}
            </span>
            <span className="w-28 text-xs">
              <Status state={asState(one.status)} />
            </span>
          </li>
        ))}
      </ul>
      {picked.chosen.length > 0 && (
        <div className="border-t px-4 py-2">
          <BatchBar
            count={picked.chosen.length}
            may={may}
            busy={busy}
            onAct={(what) => void run(what)}
            onNone={picked.none}
          />
        </div>
      )}
    </Card>
  )
}
