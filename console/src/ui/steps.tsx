/** The steps of an operation: across for a card, down beside a log, and as a strip of segments where room is short. */
import { Check, Minus, X } from 'lucide-react'
import type { ReactNode } from 'react'
import { useI18n } from '../i18n'
import { cx } from './cx'

export type StepState = 'waiting' | 'running' | 'succeeded' | 'failed' | 'skipped' | 'cancelled'

export interface StepView {
  id: string
  name: string
  state: StepState
  /** Milliseconds it took, or has taken so far. */
  took?: number
  /** Milliseconds it usually takes, where that is known. */
  usual?: number
  note?: ReactNode
}

const ended = (state: StepState) => state === 'succeeded'

function Bullet({ step, number, size }: { step: StepView; number: number; size: 22 | 24 }) {
  const { t } = useI18n()
  const box = size === 24 ? 'h-6 w-6' : 'h-[22px] w-[22px]'
  return (
    <span
      className={cx(
        'relative z-[1] grid shrink-0 place-items-center rounded-full text-2xs font-semibold',
        box,
        step.state === 'running' && 'bg-accent text-on-accent',
        step.state === 'succeeded' && 'bg-accent-soft text-accent-fg',
        step.state === 'failed' && 'bg-bad-soft text-bad',
        (step.state === 'waiting' || step.state === 'skipped' || step.state === 'cancelled') &&
          'border border-line-2 bg-surface text-fg-3',
      )}
    >
      {step.state === 'succeeded' ? (
        <Check size={13} strokeWidth={2.75} aria-hidden />
      ) : step.state === 'failed' ? (
        <X size={13} strokeWidth={2.75} aria-hidden />
      ) : step.state === 'skipped' || step.state === 'cancelled' ? (
        <Minus size={13} aria-hidden />
      ) : step.state === 'running' ? (
        <Turning />
      ) : (
        <span aria-hidden>{number}</span>
      )}
      <span className="sr-only">{t(`step.state.${step.state}`)}</span>
    </span>
  )
}

export const Turning = ({ size = 12 }: { size?: number }) => (
  <svg width={size} height={size} viewBox="0 0 12 12" className="spin" aria-hidden>
    <circle
      cx="6"
      cy="6"
      r="4.6"
      fill="none"
      stroke="currentColor"
      strokeWidth="2"
      strokeDasharray="18 12"
      strokeLinecap="round"
    />
  </svg>
)

/** The part of its usual time that a running step has used, for bars that fill. */
const part = (step: StepView) =>
  step.state === 'running' && step.usual ? Math.min(0.95, (step.took ?? 0) / step.usual) : 0.5

export function StepsAcross({ steps }: { steps: StepView[] }) {
  const { t, duration } = useI18n()
  return (
    <ol className="grid gap-y-4 max-md:grid-cols-1 md:auto-cols-fr md:grid-flow-col">
      {steps.map((step, index) => (
        <li
          key={step.id}
          className="relative flex gap-3 pr-3 md:block"
          aria-current={step.state === 'running' ? 'step' : undefined}
        >
          {index < steps.length - 1 && (
            <i
              aria-hidden
              className={cx(
                'absolute left-7 right-1.5 top-[11px] h-0.5 rounded-full max-md:hidden',
                ended(step.state) ? 'bg-c1' : 'bg-line',
              )}
            />
          )}
          {step.state === 'running' && index < steps.length - 1 && (
            <i
              aria-hidden
              className="absolute left-7 top-[11px] h-0.5 rounded-full bg-c1 max-md:hidden"
              style={{ width: `calc((100% - 34px) * ${part(step)})` }}
            />
          )}
          <Bullet step={step} number={index + 1} size={24} />
          <div className="min-w-0 md:mt-2">
            <div className={cx('truncate text-sm font-medium', step.state === 'waiting' && 'text-fg-3')}>
              {step.name}
            </div>
            <div
              className={cx(
                'num text-xs font-medium',
                step.state === 'running'
                  ? 'text-accent-fg'
                  : step.state === 'failed'
                    ? 'text-bad'
                    : 'text-fg-2',
              )}
            >
              {step.state === 'waiting'
                ? step.usual !== undefined && (
                    <span className="font-normal text-fg-3">
                      {t('step.about', { time: duration(step.usual) })}
                    </span>
                  )
                : step.state === 'skipped'
                  ? t('step.state.skipped')
                  : step.took !== undefined && duration(step.took)}
            </div>
            {step.note && <div className="break-words text-xs leading-4 text-fg-3">{step.note}</div>}
          </div>
        </li>
      ))}
    </ol>
  )
}

export function StepsDown({ steps, onPick }: { steps: StepView[]; onPick?: (step: StepView) => void }) {
  const { t, duration } = useI18n()
  return (
    <ol>
      {steps.map((step, index) => (
        <li
          key={step.id}
          aria-current={step.state === 'running' ? 'step' : undefined}
          className={cx(
            'relative flex gap-3 rounded-lg px-2 py-2',
            step.state === 'running' && 'bg-accent-soft',
            step.state === 'failed' && 'bg-bad-soft',
          )}
        >
          {index < steps.length - 1 && (
            <i
              aria-hidden
              className={cx(
                'absolute -bottom-1.5 left-[18px] top-[30px] w-0.5',
                ended(step.state) ? 'bg-accent-line' : 'bg-line',
              )}
            />
          )}
          <Bullet step={step} number={index + 1} size={22} />
          <div className="min-w-0 flex-1">
            <div className="flex items-baseline justify-between gap-2">
              {onPick && step.state !== 'waiting' && step.state !== 'skipped' ? (
                <button
                  type="button"
                  onClick={() => onPick(step)}
                  className="min-h-6 text-left font-medium hover:underline"
                >
                  {step.name}
                </button>
              ) : (
                <span className={cx('font-medium', step.state === 'waiting' && 'text-fg-3')}>
                  {step.name}
                </span>
              )}
              <span className="num text-xs text-fg-2">
                {step.took !== undefined && step.state !== 'waiting' && duration(step.took)}
              </span>
            </div>
            <div
              className={cx(
                'flex justify-between gap-2 text-xs',
                step.state === 'failed' ? 'text-fg-2' : 'text-fg-3',
              )}
            >
              <span className="min-w-0 break-words">{step.note ?? t(`step.state.${step.state}`)}</span>
              {step.usual !== undefined && step.state !== 'skipped' && (
                <span className="num shrink-0">
                  {t(step.state === 'waiting' ? 'step.about' : 'step.usual', { time: duration(step.usual) })}
                </span>
              )}
            </div>
          </div>
        </li>
      ))}
    </ol>
  )
}

/** Segments as wide as the steps usually take; the words are beside it. */
export function StepStrip({ steps, named, light }: { steps: StepView[]; named?: boolean; light?: boolean }) {
  const width = (step: StepView) => Math.max(named ? 0.02 : 0.08, weight(step) / total)
  const total = steps.reduce((sum, step) => sum + weight(step), 0) || 1
  return (
    <div className="flex gap-[3px]" aria-hidden>
      {steps.map((step) => (
        <div key={step.id} style={{ flexGrow: named ? width(step) : 1, flexBasis: 0 }} className="min-w-1.5">
          <i
            className={cx(
              'relative block overflow-hidden rounded-[3px]',
              named ? 'h-2' : 'h-1.5',
              light
                ? ended(step.state)
                  ? 'bg-on-accent'
                  : 'bg-on-accent/25'
                : step.state === 'failed'
                  ? 'bg-bad'
                  : ended(step.state)
                    ? 'bg-c1'
                    : 'bg-mute-soft',
            )}
          >
            {step.state === 'running' && (
              <i
                className={cx('absolute inset-y-0 left-0', light ? 'bg-on-accent/70' : 'bg-c1/60')}
                style={{ width: `${part(step) * 100}%` }}
              />
            )}
          </i>
          {named && (
            <span
              className={cx(
                'mt-1 block truncate text-2xs',
                step.state === 'running' ? 'font-semibold text-accent-fg' : 'text-fg-3',
              )}
            >
              {width(step) > 0.09 ? step.name : '\u00a0'}
            </span>
          )}
        </div>
      ))}
    </div>
  )
}
const weight = (step: StepView) =>
  step.state === 'waiting' ? (step.usual ?? 1000) : Math.max(step.usual ?? 0, step.took ?? 0, 100)
