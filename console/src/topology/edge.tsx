/** An edge: the thicker the more passes, dashes that flow the faster the more, red where requests fail. */
import { memo } from 'react'
import { useI18n } from '../i18n'
import { cx } from '../ui/cx'
import type { Point } from './layout'
import { type Flow, ill, label, still } from './traffic'

/** Requests and bytes on one scale: 1 for one a second or a kilobyte. */
const strength = (flow: Flow) => Math.max(flow.rate, flow.bytes / 1000, still(flow) ? 0 : 0.2)

export const EdgeLine = memo(function EdgeLine({
  path,
  flow,
  declared,
  on,
  from,
  to,
  onPick,
}: {
  path: string
  flow: Flow
  declared: boolean
  on: boolean
  from: string
  to: string
  onPick: (picked: { edge: [string, string] }) => void
}) {
  const quiet = still(flow)
  const bad = ill(flow)
  const loud = Math.log10(1 + strength(flow))
  const width = quiet ? 1.2 : Math.min(4, 1.4 + loud * 0.8)
  const stroke = bad ? 'var(--bad)' : on ? 'var(--accent)' : 'var(--line-3)'
  return (
    <>
      <path
        d={path}
        fill="none"
        stroke={stroke}
        strokeWidth={width}
        strokeOpacity={quiet ? 0.7 : 0.5}
        strokeDasharray={declared ? undefined : '2 5'}
      />
      {!quiet && (
        <path
          d={path}
          fill="none"
          className="flow"
          stroke={bad ? 'var(--bad)' : on ? 'var(--accent)' : 'var(--fg-3)'}
          strokeWidth={Math.min(2.2, width)}
          strokeLinecap="round"
          style={{ animationDuration: `${Math.max(0.5, 2.4 - loud * 0.7)}s` }}
        />
      )}
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the inspector's connections are buttons for the same. */}
      <path
        data-edge
        d={path}
        fill="none"
        stroke="transparent"
        strokeWidth={14}
        className="pointer-events-[stroke] cursor-pointer"
        style={{ pointerEvents: 'stroke' }}
        onClick={() => onPick({ edge: [from, to] })}
      />
    </>
  )
})

export const EdgeLabel = memo(function EdgeLabel({ at, flow, on }: { at: Point; flow: Flow; on: boolean }) {
  const i18n = useI18n()
  const text = label(flow, i18n)
  if (!text) return null
  const bad = ill(flow)
  return (
    <span
      aria-hidden
      className={cx(
        'num pointer-events-none absolute whitespace-nowrap rounded-full border px-1.5 text-2xs',
        bad
          ? 'border-bad bg-bad-soft font-semibold text-bad'
          : on
            ? 'border-accent-line bg-surface font-medium text-accent-fg'
            : 'border-line bg-bg text-fg-3',
      )}
      style={{ left: at.x, top: at.y, transform: 'translate(-50%,-50%)' }}
    >
      {text}
    </span>
  )
})
