/** What a cluster told of its objects, warnings first. */
import { useState } from 'react'
import type { ClusterEvent } from '../api/types'
import { useI18n } from '../i18n'
import { Button } from '../ui/controls'
import { EventRow } from '../ui/event'

const most = 30

export function Events({ events }: { events: ClusterEvent[] }) {
  const { t } = useI18n()
  const [shown, setShown] = useState(most)
  if (events.length === 0) return <p className="px-4 pb-4 text-sm text-fg-2">{t('cluster.noEvents')}</p>
  return (
    <>
      <ul className="divide-y divide-line border-t">
        {events.slice(0, shown).map((event, index) => (
          <EventRow
            key={`${event.kind}/${event.namespace}/${event.name}/${event.reason}/${index}`}
            event={event}
            about={`${event.kind} ${event.namespace ? `${event.namespace}/` : ''}${event.name}`}
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
