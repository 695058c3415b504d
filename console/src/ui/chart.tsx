/** Small charts in SVG: a spark for a table cell, an area with axes for a card. */
import { useI18n } from '../i18n'
import { cx } from './cx'

export function Spark({
  data,
  max,
  width = 64,
  height = 18,
  color = 'var(--c1)',
  fluid,
  label,
}: {
  data: number[]
  max?: number
  width?: number
  height?: number
  color?: string
  fluid?: boolean
  label?: string
}) {
  const top = (max ?? Math.max(...data, 0)) * 1.08 || 1
  const step = width / Math.max(1, data.length - 1)
  const points = data.map(
    (value, index) =>
      `${(index * step).toFixed(1)},${(height - 1 - (Math.min(value, top) / top) * (height - 2)).toFixed(1)}`,
  )
  return (
    <svg
      width={fluid ? '100%' : width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio={fluid ? 'none' : undefined}
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={!label}
      className="block"
    >
      {points.length > 1 && (
        <>
          <path d={`M0,${height} L${points.join(' L')} L${width},${height} Z`} fill={color} opacity=".13" />
          <polyline
            points={points.join(' ')}
            fill="none"
            stroke={color}
            strokeWidth="1.4"
            strokeLinejoin="round"
            vectorEffect="non-scaling-stroke"
          />
        </>
      )}
    </svg>
  )
}

/** How much of a limit is used; says it in words too. */
export function Bar({ value, label, className }: { value: number; label: string; className?: string }) {
  const part = Math.min(1, Math.max(0, value))
  return (
    <span
      role="img"
      aria-label={label}
      className={cx('block h-1 overflow-hidden rounded-full bg-mute-soft', className)}
    >
      <span
        className={cx('block h-full rounded-full', part > 0.9 ? 'bg-bad' : part > 0.75 ? 'bg-warn' : 'bg-c3')}
        style={{ width: `${part * 100}%` }}
      />
    </span>
  )
}

/** A series over time with the top of its scale and its ends named. */
export function Area({
  points,
  color,
  label,
  show,
  height = 92,
}: {
  /** `[milliseconds since the epoch, value]`, oldest first. */
  points: [number, number][]
  color: string
  label: string
  show: (value: number) => string
  height?: number
}) {
  const { t, time } = useI18n()
  const values = points.map(([, value]) => value)
  const top = Math.max(...values, 0) * 1.12 || 1
  const first = points[0]
  const last = points.at(-1)
  return (
    <figure
      role="img"
      aria-label={t('chart.summary', {
        label,
        now: show(last?.[1] ?? 0),
        max: show(Math.max(...values, 0)),
      })}
    >
      <div className="relative">
        <div aria-hidden className="absolute inset-0 flex flex-col justify-between">
          <i className="block border-t border-line" />
          <i className="block border-t border-line" />
          <i className="block border-t border-line-2" />
        </div>
        <div className="relative">
          <Spark data={values} max={top / 1.08} width={320} height={height} color={color} fluid />
        </div>
        <span aria-hidden className="num absolute -top-4 right-0 text-2xs text-fg-3">
          {show(top)}
        </span>
      </div>
      <figcaption aria-hidden className="num mt-1 flex justify-between text-2xs text-fg-3">
        <span>{first && time(first[0]).slice(0, 5)}</span>
        <span>{last && time(last[0]).slice(0, 5)}</span>
      </figcaption>
    </figure>
  )
}
