/** What happened to a component's instances: started, ready, failing probes, ends, what could not be done. */
import { useState } from 'react'
import type { useInstanceEvents } from '../../api/queries'
import type { ComponentDetail, InstanceEvent } from '../../api/types'
import { useI18n } from '../../i18n'
import { Card } from '../../ui/card'
import { Button } from '../../ui/controls'
import { EventRow } from '../../ui/event'
import { LoadingRows, ProblemPanel } from '../../ui/panels'
import { shortName } from '../application-view'

const most = 8
const keyOf = (event: InstanceEvent) =>
  [event.instance, event.container, event.reason, event.message, event.first].join('\n')

const aboutOf = (event: InstanceEvent) =>
  event.container ? `${shortName(event.instance)}/${event.container}` : shortName(event.instance)

/** Of one instance, below its row. */
export function InstanceEvents({ events }: { events: InstanceEvent[] }) {
  const { t } = useI18n()
  if (events.length === 0) return <p className="text-xs text-fg-2">{t('event.none')}</p>
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by the keyboard.
      tabIndex={0}
      aria-label={t('event.title')}
      className="max-h-72 overflow-auto"
    >
      <ul className="-mx-4 divide-y divide-line">
        {events.map((event) => (
          <EventRow key={keyOf(event)} event={event} about={event.container ?? undefined} />
        ))}
      </ul>
    </section>
  )
}

export function EventsCard({
  component,
  events,
}: {
  component: ComponentDetail
  events: ReturnType<typeof useInstanceEvents>
}) {
  const { t } = useI18n()
  const [shown, setShown] = useState(most)
  const [warnings, setWarnings] = useState(false)
  if (component.kind === 'external') return null
  const all = events.data?.items
  const items = all?.filter((one) => one.is_warning || !warnings)
  return (
    <Card
      title={t('event.title')}
      hint={t('event.hint')}
      pad={false}
      action={
        all?.some((one) => one.is_warning) && (
          <Button size="sm" variant="ghost" aria-pressed={warnings} onClick={() => setWarnings(!warnings)}>
            {t(warnings ? 'event.all' : 'event.warnings')}
          </Button>
        )
      }
    >
      {items ? (
        <>
          <ul className="divide-y divide-line border-t">
            {items.slice(0, shown).map((event) => (
              <EventRow key={keyOf(event)} event={event} about={aboutOf(event)} />
            ))}
          </ul>
          {items.length === 0 && <p className="px-4 py-4 text-sm text-fg-2">{t('event.none')}</p>}
          {items.length > shown && (
            <div className="flex justify-center border-t p-3">
              <Button onClick={() => setShown(shown + 30)}>{t('common.more')}</Button>
            </div>
          )}
        </>
      ) : (
        <div className="border-t">
          {events.problem ? (
            <ProblemPanel bare problem={events.problem} onRetry={events.refresh} />
          ) : (
            <LoadingRows rows={3} />
          )}
        </div>
      )}
    </Card>
  )
}
