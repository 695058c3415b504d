/** What a cluster told of its objects, warnings first. */
import { useState } from 'react'
import type { ClusterEvent } from '../api/types'
import { useI18n } from '../i18n'
import { Button } from '../ui/controls'
import { StatusIcon } from '../ui/status'

const most = 30

export function Events({ events }: { events: ClusterEvent[] }) {
  const { t } = useI18n()
  const [shown, setShown] = useState(most)
  if (events.length === 0) return <p className="px-4 pb-4 text-sm text-fg-2">{t('cluster.noEvents')}</p>
  return (
    <>
      <ul className="divide-y divide-line border-t">
        {events.slice(0, shown).map((event, index) => (
          <Row
            key={`${event.kind}/${event.namespace}/${event.name}/${event.reason}/${index}`}
            event={event}
          />
        ))}
      </ul>
      {events.length > shown && (
        <div className="flex justify-center border-t p-3">
          <Button onClick={() => setShown(shown + most)}>{t('common.more')}</Button>
        </div>
      )}
    </>
  )
}

function Row({ event }: { event: ClusterEvent }) {
  const { t, ago, utc } = useI18n()
  return (
    <li className="flex items-start gap-2.5 px-4 py-2 text-xs leading-[18px]">
      <span className="mt-0.5">
        <StatusIcon state={event.is_warning ? 'degraded' : 'succeeded'} size={13} />
        {event.is_warning && <span className="sr-only">{t('cluster.warning')}</span>}
      </span>
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-baseline gap-x-2">
          <b className="font-medium">{event.reason}</b>
          <span className="mono break-all text-fg-3">
            {event.kind} {event.namespace && `${event.namespace}/`}
            {event.name}
          </span>
        </div>
        <p className="break-words text-fg-2">{event.message}</p>
      </div>
      <div className="num shrink-0 text-right text-fg-3">
        {event.last && <div title={utc(event.last)}>{ago(event.last)}</div>}
        {event.count > 1 && <div>{t('cluster.times', { n: event.count })}</div>}
      </div>
    </li>
  )
}
