/** What a page shows when it has nothing to show yet, or cannot: empty, loading, error, forbidden, stale. */
import { CloudOff, Lock, type LucideIcon, RefreshCw, WifiOff } from 'lucide-react'
import type { ReactNode } from 'react'
import type { Problem } from '../api/problem'
import { useI18n } from '../i18n'
import { Button, CopyButton } from './controls'
import { cx } from './cx'
import { Prose } from './prose'

export function Empty({
  icon: Icon,
  title,
  text,
  children,
}: {
  icon: LucideIcon
  title: ReactNode
  text: ReactNode
  children?: ReactNode
}) {
  return (
    <div className="flex flex-col items-center px-6 py-10 text-center">
      <span className="mb-3 grid h-10 w-10 place-items-center rounded-lg bg-accent-soft text-accent-fg">
        <Icon size={20} strokeWidth={1.9} aria-hidden />
      </span>
      <h2 className="text-base font-semibold">{title}</h2>
      <p className="mt-0.5 max-w-[420px] text-sm text-fg-2">{text}</p>
      {children && <div className="mt-4 flex flex-wrap justify-center gap-2">{children}</div>}
    </div>
  )
}

/** The shape of a list that is on its way. */
export function LoadingRows({ rows = 5 }: { rows?: number }) {
  const { t } = useI18n()
  return (
    <div role="status" aria-label={t('common.loading')}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex items-center gap-3 px-4 py-3">
          <div className="skeleton h-3.5 w-3.5 rounded-full" />
          <div className="skeleton h-3" style={{ width: `${18 + ((row * 17) % 24)}%` }} />
          <div className="skeleton ml-auto h-3 w-16" />
          <div className="skeleton h-3 w-9" />
        </div>
      ))}
    </div>
  )
}

export function LoadingCards({ cards = 3 }: { cards?: number }) {
  const { t } = useI18n()
  return (
    <div role="status" aria-label={t('common.loading')} className="grid gap-4 md:grid-cols-3">
      {Array.from({ length: cards }, (_, card) => (
        <div key={card} className="card h-[124px] space-y-3 p-4">
          <div className="skeleton h-4 w-1/2" />
          <div className="skeleton h-3 w-2/3" />
          <div className="skeleton h-8 w-full" />
        </div>
      ))}
    </div>
  )
}

/**
 * Code, cause and remedy of what went wrong. The console's own words come first where its catalogue knows the code;
 * the server's are the fallback, and always carry the particulars.
 */
export function ProblemPanel({
  problem,
  onRetry,
  children,
  bare,
}: {
  problem: Problem
  onRetry?: () => void
  children?: ReactNode
  bare?: boolean
}) {
  const { t, known } = useI18n()
  const forbidden = problem.status === 403
  const Icon = forbidden ? Lock : CloudOff
  return (
    <div role="alert" className={cx(!bare && 'card', 'p-4')}>
      <div className="flex items-start gap-3">
        <span
          className={cx(
            'grid h-9 w-9 shrink-0 place-items-center rounded-lg',
            forbidden ? 'bg-mute-soft text-fg-2' : 'bg-bad-soft text-bad',
          )}
        >
          <Icon size={18} strokeWidth={1.9} aria-hidden />
        </span>
        <div className="min-w-0">
          <h2 className="text-base font-semibold">{known(`problem.${problem.code}`) ?? problem.title}</h2>
          <p className="mt-0.5 break-words text-sm text-fg-2">
            <span className="mono text-fg-3">{problem.code}</span>
            {problem.cause && (
              <>
                {' · '}
                <Prose text={problem.cause} />
              </>
            )}
          </p>
        </div>
      </div>
      {problem.remedy && (
        <p className="mt-3 break-words rounded-lg bg-sunken px-3 py-2 text-xs leading-[18px] text-fg-2">
          <b className="font-semibold text-fg">{t('problem.remedy')}</b> <Prose text={problem.remedy} />
        </p>
      )}
      <div className="mt-3 flex flex-wrap items-center gap-2 empty:hidden">
        {children}
        {onRetry && (
          <Button onClick={onRetry}>
            <RefreshCw size={13} aria-hidden />
            {t('common.retry')}
          </Button>
        )}
        <span className="ml-auto">
          <CopyButton text={problem.code} label={t('problem.copyCode')}>
            {t('problem.code')}
          </CopyButton>
        </span>
      </div>
    </div>
  )
}

/** A line under a form: what the server refused, short. */
export function ProblemLine({ problem }: { problem: Problem }) {
  const { known } = useI18n()
  return (
    <div role="alert" className="rounded-md bg-bad-soft px-3 py-2 text-xs leading-[18px] text-bad">
      <b className="font-semibold">{known(`problem.${problem.code}`) ?? problem.title}</b>
      {problem.cause && (
        <span className="break-words">
          {' '}
          <Prose text={problem.cause} />
        </span>
      )}
      {problem.remedy && (
        <span className="block break-words text-fg-2">
          <Prose text={problem.remedy} />
        </span>
      )}
    </div>
  )
}

/** Old data stays, with its age; nothing pretends to be live. */
export function StaleBar({ seen, onRetry }: { seen: number; onRetry: () => void }) {
  const { t, duration } = useI18n()
  return (
    <div
      role="status"
      className="flex items-center gap-2 border-b bg-warn-soft px-4 py-1.5 text-xs font-medium text-warn"
    >
      <WifiOff size={14} aria-hidden className="shrink-0" />
      <span>{t('stale.text', { age: duration(Math.floor(seen / 1000) * 1000) })}</span>
      <button type="button" onClick={onRetry} className="touch ml-auto underline underline-offset-2">
        {t('stale.now')}
      </button>
    </div>
  )
}

/** What may be seen here but not changed, and what it would need. */
export function Denied({ permission }: { permission: string }) {
  const { t } = useI18n()
  return (
    <p role="note" className="flex items-center gap-2 rounded-lg bg-sunken px-4 py-2 text-sm text-fg-2">
      <Lock size={14} aria-hidden className="shrink-0 text-fg-3" />
      <span>
        {t('forbidden.needs', { permission })} {t('forbidden.ask')}
      </span>
    </p>
  )
}
