import type { ReactNode } from 'react'
import { cx } from './cx'

/** A titled surface. `pad={false}` for tables and lists that reach its edges. */
export function Card({
  title,
  hint,
  action,
  children,
  className,
  pad = true,
}: {
  title?: ReactNode
  hint?: ReactNode
  action?: ReactNode
  children: ReactNode
  className?: string
  pad?: boolean
}) {
  return (
    <section className={cx('card min-w-0', className)}>
      {title && (
        <header className="flex min-h-11 flex-wrap items-center gap-x-2 px-4 py-1.5">
          <h2 className="text-sm font-semibold">{title}</h2>
          {hint && <span className="min-w-0 truncate text-xs text-fg-3">{hint}</span>}
          {action && <span className="ml-auto flex items-center gap-1">{action}</span>}
        </header>
      )}
      <div className={cx(pad && 'px-4 pb-4', pad && !title && 'pt-4')}>{children}</div>
    </section>
  )
}

/** Names and values, one pair a row. */
export function Facts({ items }: { items: [ReactNode, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(72px,max-content)_minmax(0,1fr)] gap-x-4 gap-y-1.5 text-xs">
      {items.map(([name, value], index) => (
        <div key={index} className="contents">
          <dt className="text-fg-3">{name}</dt>
          <dd className="flex min-w-0 items-center gap-1.5">{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** A page's body: gutter, width, and room for the bar at the bottom of a phone. */
export function Page({ children, width = 'max-w-[1400px]' }: { children: ReactNode; width?: string }) {
  return <div className={cx('mx-auto w-full space-y-4 p-4 pb-24 md:p-5 md:pb-8', width)}>{children}</div>
}
