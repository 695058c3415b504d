/** How far each component of an operation is. */
import { Check, Minus, X } from 'lucide-react'
import type { Operation } from '../api/types'
import { useI18n } from '../i18n'
import { cx } from '../ui/cx'
import { Turning } from '../ui/steps'

export function ComponentsDown({ operation }: { operation: Operation }) {
  const { t } = useI18n()
  const all = operation.components ?? []
  if (all.length === 0) return null
  return (
    <div className="mx-1 mt-3">
      <h2 className="eyebrow mb-1">{t('operation.components')}</h2>
      <ul className="divide-y divide-line rounded-lg border">
        {all.map((one) => (
          <li key={one.component} className="flex min-h-8 items-center gap-2 px-2.5 py-1 text-xs">
            <span
              aria-hidden
              className={cx(
                'grid h-4 w-4 shrink-0 place-items-center',
                one.state === 'done' && 'text-ok',
                one.state === 'failed' && 'text-bad',
                one.state === 'running' && 'text-accent-fg',
                (one.state === 'waiting' || one.state === 'skipped') && 'text-fg-3',
              )}
            >
              {one.state === 'done' ? (
                <Check size={13} />
              ) : one.state === 'failed' ? (
                <X size={13} />
              ) : one.state === 'running' ? (
                <Turning />
              ) : (
                <Minus size={13} />
              )}
            </span>
            <span className="font-medium">{one.component}</span>
            <span className="sr-only">{t(`operation.component.${one.state}`)}</span>
            <span className="num ml-auto min-w-0 truncate text-fg-3" title={one.note}>
              {one.note}
            </span>
          </li>
        ))}
      </ul>
    </div>
  )
}
