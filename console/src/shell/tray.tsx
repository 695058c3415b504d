/** Running operations, always in sight at the foot of the navigation. */
import { Link } from '@tanstack/react-router'
import type { Operation } from '../api/types'
import { useI18n } from '../i18n'
import { current, elapsed, stateOf, stepViews, titleOf } from '../pages/operation-view'
import { useNow } from '../ui/now'
import { StatusIcon } from '../ui/status'
import { StepStrip } from '../ui/steps'
import { usePlace } from './place'

export function RunningCard({ operation }: { operation: Operation }) {
  const i18n = useI18n()
  const place = usePlace()
  const now = useNow(true)
  const step = current(operation)
  const state = stateOf(operation)
  const at = step ? operation.steps.indexOf(step) + 1 : 0
  return (
    <Link
      to="/t/$team/e/$env/operations/$id"
      params={{ ...place, id: operation.id }}
      className="card block p-2.5 hover:bg-hover"
    >
      <span className="flex items-center gap-2 text-xs font-medium">
        <StatusIcon state={state} size={13} />
        <span className="min-w-0 flex-1 truncate">{titleOf(operation, i18n)}</span>
        <span className="num font-normal text-fg-3">{i18n.clock(elapsed(operation, now))}</span>
      </span>
      <span className="mt-2 block">
        <StepStrip steps={stepViews(operation, i18n, now)} />
      </span>
      {step && (
        <span className="mt-1.5 block truncate text-2xs text-fg-3">
          {state === 'waiting' ? (
            i18n.t('operation.queued')
          ) : (
            <>
              {i18n.t('operation.stepOf', { n: at, of: operation.steps.length })} ·{' '}
              {i18n.t(`step.name.${step.name}`)}
            </>
          )}
        </span>
      )}
    </Link>
  )
}
