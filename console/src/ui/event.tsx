/** One thing that happened, as lists of events show it. */
import { useI18n } from '../i18n'
import { StatusIcon } from './status'

export interface Happened {
  is_warning: boolean
  reason: string
  message: string
  count: number
  last?: string | null
}

/** `about`: whom it happened to. */
export function EventRow({ event, about }: { event: Happened; about?: string }) {
  const { t, ago, utc } = useI18n()
  return (
    <li className="flex items-start gap-2.5 px-4 py-2 text-xs leading-[18px]">
      <span className="mt-0.5">
        <StatusIcon state={event.is_warning ? 'degraded' : 'succeeded'} size={13} />
        {event.is_warning && <span className="sr-only">{t('event.warning')}</span>}
      </span>
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-baseline gap-x-2">
          <b className="font-medium">{event.reason}</b>
          {about && <span className="mono break-all text-fg-3">{about}</span>}
        </div>
        <p className="break-words text-fg-2">{event.message}</p>
      </div>
      <div className="num shrink-0 text-right text-fg-3">
        {event.last && <div title={utc(event.last)}>{ago(event.last)}</div>}
        {event.count > 1 && <div>{t('event.times', { n: event.count })}</div>}
      </div>
    </li>
  )
}
