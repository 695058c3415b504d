/** How much there is of something, what pods asked for and what is used of it. */
import type { Amounts } from '../api/types'
import { type Key, useI18n } from '../i18n'
import { cx } from '../ui/cx'

export type What = 'cpu' | 'memory' | 'disk'

/** In words: cores, or bytes with their unit. */
export function useAmount() {
  const { t, number, bytes } = useI18n()
  return (what: What, n: number) => {
    if (what === 'cpu')
      return `${number(n / 1000, n % 1000 === 0 || n >= 100_000 ? 0 : 1)} ${t('cluster.cores')}`
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
}

export function AmountBar({ what, amounts }: { what: What; amounts: Amounts }) {
  const { t } = useI18n()
  const amount = useAmount()
  const { capacity, allocatable, allocated, used } = amounts
  const words: [Key, Record<string, string>] = [
    used == null ? 'cluster.amounts' : 'cluster.amountsUsed',
    {
      what: t(`cluster.${what}`),
      capacity: amount(what, capacity),
      allocatable: amount(what, allocatable),
      allocated: amount(what, allocated),
      ...(used == null ? {} : { used: amount(what, used) }),
    },
  ]
  const width = (n: number) => `${Math.min(100, capacity ? (n / capacity) * 100 : 0)}%`
  const part = allocatable ? allocated / allocatable : 0
  return (
    <div role="img" aria-label={t(...words)} title={t(...words)} className="min-w-0">
      <div className="relative h-2 overflow-hidden rounded-full bg-line-2">
        <i className="absolute inset-y-0 left-0 bg-mute-soft" style={{ width: width(allocatable) }} />
        <i
          className={cx(
            'absolute inset-y-0 left-0',
            part > 0.95 ? 'bg-bad' : part > 0.8 ? 'bg-warn' : 'bg-c1',
          )}
          style={{ width: width(allocated) }}
        />
      </div>
      {used != null && (
        <div className="relative mt-px h-1 overflow-hidden rounded-full">
          <i className="absolute inset-y-0 left-0 rounded-full bg-c3" style={{ width: width(used) }} />
        </div>
      )}
    </div>
  )
}

/** A bar with its words beside it. */
export function AmountRow({ what, amounts }: { what: What; amounts: Amounts }) {
  const { t } = useI18n()
  const amount = useAmount()
  return (
    <div className="min-w-0">
      <div className="flex flex-wrap items-baseline gap-x-2 pb-1 text-xs">
        <b className="font-medium">{t(`cluster.${what}`)}</b>
        <span className="num ml-auto text-fg-3">
          {t('cluster.of', {
            allocated: amount(what, amounts.allocated),
            allocatable: amount(what, amounts.allocatable),
          })}
        </span>
      </div>
      <AmountBar what={what} amounts={amounts} />
      {amounts.used != null && (
        <div className="num pt-0.5 text-2xs text-fg-3">
          {amount(what, amounts.used)} {t('cluster.used')}
        </div>
      )}
    </div>
  )
}

export function AmountLegend({ used }: { used: boolean }) {
  const { t } = useI18n()
  return (
    <span className="flex flex-wrap gap-x-3 text-2xs text-fg-3" aria-hidden>
      <Sign className="bg-c1">{t('cluster.asked')}</Sign>
      {used && <Sign className="bg-c3">{t('cluster.used')}</Sign>}
      <Sign className="bg-line-2">{t('cluster.reserved')}</Sign>
    </span>
  )
}

function Sign({ className, children }: { className: string; children: string }) {
  return (
    <span className="flex items-center gap-1">
      <i className={cx('h-2 w-2 rounded-[2px]', className)} />
      {children}
    </span>
  )
}
