/** Differences of two releases, grouped by what they belong to. */
import { ArrowRight } from 'lucide-react'
import { useI18n } from '../i18n'
import { cx } from './cx'

export interface Change {
  kind: 'added' | 'changed' | 'removed'
  /** What differs, such as `env LOG_LEVEL` or `image`. */
  at: string
  before?: string
  after?: string
}

const signs = {
  added: ['+', 'bg-ok-soft text-ok'],
  changed: ['~', 'bg-accent-soft text-accent-fg'],
  removed: ['−', 'bg-bad-soft text-bad'],
} as const

export function DiffList({ changes }: { changes: Change[] }) {
  const { t } = useI18n()
  return (
    <ul>
      {changes.map((change) => {
        const [sign, tone] = signs[change.kind]
        return (
          <li
            key={`${change.at}-${change.kind}`}
            className="grid grid-cols-[20px_minmax(0,1fr)] items-center gap-x-2 px-3 py-1.5 text-xs odd:bg-sunken md:grid-cols-[20px_minmax(120px,200px)_minmax(0,1fr)]"
          >
            <b
              className={cx(
                'grid h-4 w-4 place-items-center rounded-sm font-mono text-2xs leading-none',
                tone,
              )}
            >
              <span aria-hidden>{sign}</span>
              <span className="sr-only">{t(`diff.${change.kind}`)}</span>
            </b>
            <span className="min-w-0 break-words text-fg-2">{change.at}</span>
            <span className="mono flex min-w-0 flex-wrap items-center gap-2 max-md:col-start-2">
              {change.before !== undefined && (
                <del
                  className={cx(
                    'min-w-0 break-all rounded-sm px-1.5',
                    change.kind === 'removed' ? 'bg-bad-soft text-bad' : 'text-fg-3 no-underline',
                  )}
                >
                  {change.before}
                </del>
              )}
              {change.before !== undefined && change.after !== undefined && (
                <ArrowRight size={12} aria-hidden className="shrink-0 text-fg-3" />
              )}
              {change.after !== undefined && (
                <ins className={cx('min-w-0 break-all rounded-sm px-1.5 no-underline', tone)}>
                  {change.after}
                </ins>
              )}
            </span>
          </li>
        )
      })}
    </ul>
  )
}
