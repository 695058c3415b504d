/** What a look at a cluster found, step by step. */
import type { CheckReport, CheckState, CheckStep } from '../api/types'
import { useI18n } from '../i18n'
import { cx } from '../ui/cx'
import { Prose } from '../ui/prose'
import { type State, StatusIcon } from '../ui/status'

const states: Record<CheckState, State> = {
  passed: 'succeeded',
  warning: 'degraded',
  failed: 'failed',
  skipped: 'waiting',
}

const inState = (report: CheckReport, state: CheckState) =>
  report.steps.filter((step) => step.state === state).length

/** Whether applications can run there. */
export const isUsable = (report: CheckReport) =>
  report.steps.every((step) => step.state === 'passed' || step.state === 'warning')

export function Report({ report }: { report: CheckReport }) {
  const { t } = useI18n()
  const failed = inState(report, 'failed')
  const warnings = inState(report, 'warning')
  const usable = isUsable(report)
  const verdict = !usable
    ? t('check.failed', { n: failed })
    : warnings
      ? t('check.warnings', { n: warnings })
      : t('check.usable')
  return (
    <section aria-label={t('check.title')}>
      <p
        role="status"
        className={cx(
          'rounded-lg px-3 py-2 text-sm font-medium',
          !usable ? 'bg-bad-soft text-bad' : warnings ? 'bg-warn-soft text-warn' : 'bg-ok-soft text-ok',
        )}
      >
        {verdict}
      </p>
      <ol className="mt-2 divide-y divide-line">
        {report.steps.map((step) => (
          <Step key={step.name} step={step} />
        ))}
      </ol>
    </section>
  )
}

function Step({ step }: { step: CheckStep }) {
  const { t } = useI18n()
  const details = step.details ?? []
  return (
    <li className="flex items-start gap-2.5 py-2">
      <span className="mt-[3px]">
        <StatusIcon state={states[step.state]} />
      </span>
      <div className="min-w-0 flex-1 text-xs leading-[18px]">
        <div className="flex flex-wrap items-baseline gap-x-2">
          <b className="text-sm font-medium">{t(`check.name.${step.name}`)}</b>
          <span className="text-fg-3">{t(`check.state.${step.state}`)}</span>
        </div>
        <p className="break-words text-fg-2">
          <Prose text={step.found} />
        </p>
        {details.length > 0 && (
          <details className="mt-0.5" open={step.state === 'failed'}>
            <summary className="touch w-fit cursor-pointer text-fg-3 hover:text-fg">
              {t('check.details', { n: details.length })}
            </summary>
            <ul className="mono mt-1 max-h-40 overflow-auto rounded-md bg-sunken px-2 py-1.5 text-fg-2">
              {details.map((line) => (
                <li key={line} className="break-words">
                  {line}
                </li>
              ))}
            </ul>
          </details>
        )}
        {step.remedy && step.state !== 'passed' && (
          <p className="mt-0.5 break-words text-fg-2">
            <b className="font-semibold text-fg">{t('problem.remedy')}</b> <Prose text={step.remedy} />
          </p>
        )}
      </div>
    </li>
  )
}
