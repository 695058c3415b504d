/** Doing something to several things at once: which are chosen, and what is asked for them. */
import { Play, RotateCcw, Scaling, Square, X } from 'lucide-react'
import { useState } from 'react'
import { Problem } from '../api/problem'
import { act } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Button } from '../ui/controls'
import { toast } from '../ui/toast'

export type Act = 'start' | 'stop' | 'restart'

/** Names that are ticked; those that are gone from the list no longer count. */
export function useChosen(names: string[]) {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set())
  const chosen = names.filter((name) => ticked.has(name))
  return {
    chosen,
    has: (name: string) => ticked.has(name),
    toggle: (name: string) =>
      setTicked((old) => {
        const next = new Set(old)
        if (!next.delete(name)) next.add(name)
        return next
      }),
    all: () => setTicked(new Set(names)),
    none: () => setTicked(new Set()),
  }
}

export function Tick({ name, checked, onChange }: { name: string; checked: boolean; onChange: () => void }) {
  const { t } = useI18n()
  return (
    <input
      type="checkbox"
      aria-label={t('batch.pick', { name })}
      checked={checked}
      onChange={onChange}
      className="touch h-6 w-6 shrink-0 accent-[var(--accent)]"
    />
  )
}

/** What can be asked for the chosen ones. */
export function BatchBar({
  count,
  may,
  busy,
  onAct,
  onScale,
  onNone,
}: {
  count: number
  may: boolean
  busy: boolean
  onAct: (what: Act) => void
  /** Where their number can be set. */
  onScale?: () => void
  onNone: () => void
}) {
  const { t } = useI18n()
  return (
    <div
      role="toolbar"
      aria-label={t('batch.chosen', { n: count })}
      className="flex flex-wrap items-center gap-2"
    >
      <span className="num text-sm font-medium">{t('batch.chosen', { n: count })}</span>
      <Button size="sm" disabled={!may || busy} onClick={() => onAct('start')}>
        <Play size={13} aria-hidden />
        {t('app.start')}
      </Button>
      <Button size="sm" disabled={!may || busy} onClick={() => onAct('restart')}>
        <RotateCcw size={13} aria-hidden />
        {t('app.restart')}
      </Button>
      <Button size="sm" disabled={!may || busy} onClick={() => onAct('stop')}>
        <Square size={13} aria-hidden />
        {t('app.stop')}
      </Button>
      {onScale && (
        <Button size="sm" disabled={!may || busy} onClick={onScale}>
          <Scaling size={13} aria-hidden />
          {t('batch.scale')}
        </Button>
      )}
      <Button size="sm" variant="ghost" square aria-label={t('batch.clear')} onClick={onNone}>
        <X size={13} aria-hidden />
      </Button>
    </div>
  )
}

/** Asks the same for each of several applications: an operation each, and a word about those that refused. */
export function useBatch() {
  const { t } = useI18n()
  const place = usePlace()
  const [busy, setBusy] = useState(false)
  const run = async (what: Act, apps: string[]) => {
    setBusy(true)
    const asked = await Promise.allSettled(apps.map((app) => act(place, app, what)))
    const done = asked.filter((one) => one.status === 'fulfilled').length
    if (done > 0) toast('ok', t('batch.asked', { n: done }))
    asked.forEach((one, index) => {
      if (one.status === 'rejected')
        toast('bad', t('batch.failed', { name: apps[index] ?? '' }), Problem.of(one.reason).title)
    })
    setBusy(false)
  }
  return { busy, run }
}
