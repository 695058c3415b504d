/** Instances with state, load, the reason of the last end and its last lines, and what happened to them. */
import { ChevronDown, ChevronRight } from 'lucide-react'
import { Fragment, useState } from 'react'
import type {
  ExitRecord,
  InstanceDetail,
  InstanceEvent,
  InstanceStateWord,
  ObservedSidecar,
} from '../../api/types'
import { useI18n } from '../../i18n'
import { Bar, Spark } from '../../ui/chart'
import { cx } from '../../ui/cx'
import { type State, Status, Tag } from '../../ui/status'
import { shortName } from '../application-view'
import { InstanceEvents } from './events'

export const states: Record<InstanceStateWord, State> = {
  creating: 'waiting',
  starting: 'waiting',
  ready: 'running',
  'not-ready': 'degraded',
  draining: 'draining',
  stopping: 'draining',
  'back-off': 'failed',
  exited: 'stopped',
  unknown: 'unknown',
}

/** Some instances have names of their own, `db-1`; the others are told apart by the end of their container's. */
const called = (instance: InstanceDetail, component: string | undefined) =>
  component && instance.ordinal != null ? `${component}-${instance.ordinal}` : shortName(instance.name)

export function Instances({
  component,
  instances,
  release,
  now,
  events,
}: {
  component: string | undefined
  instances: InstanceDetail[]
  /** The release that is the target, drawn with the accent. */
  release: number | undefined
  now: number
  /** Of all of them. */
  events: InstanceEvent[] | undefined
}) {
  const { t, number, bytes, duration } = useI18n()
  const [open, setOpen] = useState<string>()
  const cell = 'px-2'
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm">
        <thead>
          <tr className="table-head border-y bg-sunken">
            <th className="!pl-4">{t('instance.name')}</th>
            <th>{t('instance.release')}</th>
            <th>{t('instance.state')}</th>
            <th className="max-2xl:hidden">{t('instance.address')}</th>
            <th className="max-md:hidden">{t('instance.cpu')}</th>
            <th className="max-md:hidden">{t('instance.memory')}</th>
            <th className="!text-right max-md:hidden">{t('instance.restarts')}</th>
            <th className="!pr-4 !text-right">{t('instance.age')}</th>
          </tr>
        </thead>
        <tbody>
          {instances.map((instance) => {
            const cpu = instance.cpu_millis.at(-1)
            const used = instance.memory_bytes.at(-1)
            const memory = used !== undefined ? bytes(used) : undefined
            const limit = instance.memory_limit
            const shown = open === instance.name
            const exit = instance.last_exit
            return (
              <Fragment key={instance.name}>
                <tr className="table-row border-t first:border-t-0">
                  <td className="!pl-4">
                    <button
                      type="button"
                      aria-expanded={shown}
                      onClick={() => setOpen(shown ? undefined : instance.name)}
                      className="mono -ml-1 flex h-7 items-center gap-1 px-1"
                    >
                      {shown ? <ChevronDown size={13} aria-hidden /> : <ChevronRight size={13} aria-hidden />}
                      {called(instance, component)}
                      <span className="sr-only">{t('instance.more')}</span>
                    </button>
                  </td>
                  <td>
                    <Tag tone={instance.release === release ? 'accent' : 'mute'}>r{instance.release}</Tag>
                  </td>
                  <td className="text-xs">
                    <Status state={states[instance.state.state]}>
                      <StateWords instance={instance} now={now} />
                    </Status>
                  </td>
                  <td className="mono text-fg-2 max-2xl:hidden">{instance.address ?? '–'}</td>
                  <td className={cx(cell, 'max-md:hidden')}>
                    <span className="flex items-center gap-2">
                      {instance.cpu_millis.length > 1 && (
                        <span className="max-2xl:hidden">
                          <Spark data={instance.cpu_millis} width={44} height={16} />
                        </span>
                      )}
                      <span className="num text-xs text-fg-2">
                        {cpu !== undefined ? number(cpu / 1000, 2) : '–'}
                      </span>
                    </span>
                  </td>
                  <td className="max-md:hidden">
                    <span className="flex items-center gap-2">
                      {limit && used !== undefined && memory ? (
                        <Bar
                          value={used / limit}
                          className="w-9"
                          label={t('instance.memoryOf', {
                            used: `${memory.value} ${memory.unit}`,
                            limit: `${bytes(limit).value} ${bytes(limit).unit}`,
                          })}
                        />
                      ) : (
                        instance.memory_bytes.length > 1 && (
                          <Spark data={instance.memory_bytes} width={44} height={16} color="var(--c3)" />
                        )
                      )}
                      <span className="num text-xs text-fg-2">
                        {memory ? `${memory.value} ${memory.unit}` : '–'}
                      </span>
                    </span>
                  </td>
                  <td
                    className={cx(
                      'num text-right text-xs max-md:hidden',
                      instance.restarts ? 'font-medium text-warn' : 'text-fg-3',
                    )}
                  >
                    {instance.restarts}
                  </td>
                  <td className="num !pr-4 text-right text-xs text-fg-3">
                    {instance.started_at ? duration(now - Date.parse(instance.started_at)) : '–'}
                  </td>
                </tr>
                {(instance.sidecars ?? []).map((sidecar) => (
                  <SidecarRow key={sidecar.name} sidecar={sidecar} now={now} />
                ))}
                {shown && (
                  <tr>
                    <td colSpan={8} className="space-y-3 border-t bg-sunken px-4 py-3">
                      {instance.address && (
                        <p className="text-xs text-fg-2 2xl:hidden">
                          {t('instance.address')} <span className="mono">{instance.address}</span>
                        </p>
                      )}
                      {exit && <LastEnd exit={exit} />}
                      {events && (
                        <InstanceEvents events={events.filter((one) => one.instance === instance.name)} />
                      )}
                    </td>
                  </tr>
                )}
              </Fragment>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

/** A container beside the main one; what it takes is counted with its instance. */
function SidecarRow({ sidecar, now }: { sidecar: ObservedSidecar; now: number }) {
  const { t, duration } = useI18n()
  const [shown, setShown] = useState(false)
  const exit = sidecar.last_exit
  return (
    <>
      <tr className="table-row border-t">
        <td className="!pl-8 text-fg-2">
          {exit ? (
            <button
              type="button"
              aria-expanded={shown}
              onClick={() => setShown(!shown)}
              className="mono -ml-1 flex h-7 items-center gap-1 px-1"
            >
              {shown ? <ChevronDown size={13} aria-hidden /> : <ChevronRight size={13} aria-hidden />}
              {sidecar.name}
              <span className="sr-only">{t('instance.lastEnd')}</span>
            </button>
          ) : (
            <span className="mono">{sidecar.name}</span>
          )}
        </td>
        <td className="text-xs text-fg-3">{t('instance.sidecar')}</td>
        <td className="text-xs">
          <Status state={states[sidecar.state.state]}>
            <StateWords instance={{ ...sidecar, in_flight: 0 }} now={now} />
          </Status>
        </td>
        <td className="max-2xl:hidden" />
        <td className="max-md:hidden" />
        <td className="max-md:hidden" />
        <td
          className={cx(
            'num text-right text-xs max-md:hidden',
            sidecar.restarts ? 'font-medium text-warn' : 'text-fg-3',
          )}
        >
          {sidecar.restarts}
        </td>
        <td className="num !pr-4 text-right text-xs text-fg-3">
          {sidecar.started_at ? duration(now - Date.parse(sidecar.started_at)) : '–'}
        </td>
      </tr>
      {shown && exit && (
        <tr>
          <td colSpan={8} className="border-t bg-sunken px-4 py-3">
            <LastEnd exit={exit} />
          </td>
        </tr>
      )}
    </>
  )
}

type Told = Pick<InstanceDetail, 'state' | 'probe' | 'last_exit' | 'in_flight'>

function StateWords({ instance, now }: { instance: Told; now: number }) {
  const { t, duration } = useI18n()
  const { state } = instance.state
  const until = instance.state.state === 'back-off' ? instance.state.until : undefined
  switch (state) {
    case 'starting':
      // A hook that still runs has failed nothing yet.
      return instance.probe && !instance.probe.ok && instance.probe.in_a_row > 0
        ? t('instance.state.probing', { n: instance.probe.in_a_row })
        : t('instance.state.starting')
    case 'draining':
      return instance.in_flight
        ? t('instance.state.drainingLeft', { n: instance.in_flight })
        : t('instance.state.draining')
    case 'back-off':
      return t('instance.state.backOff', {
        time: duration(Math.max(1000, Date.parse(until ?? '') - now || 0)),
      })
    case 'exited':
      return t('instance.state.exited', { code: instance.last_exit?.code ?? 0 })
    case 'not-ready':
      return t('instance.state.notReady')
    default:
      return t(`instance.state.${state}`)
  }
}

/** How a program ended: its code in words, and what it said last. */
export function LastEnd({ exit }: { exit: ExitRecord }) {
  const { t, when } = useI18n()
  return (
    <div className="text-xs">
      <p className="font-medium">
        {exit.hook
          ? t('instance.exitHook', { hook: exit.hook, at: when(exit.at) })
          : exit.oom
            ? t('instance.exitOom', { at: when(exit.at) })
            : t('instance.exit', { code: exit.code, at: when(exit.at) })}
        {!exit.hook && !exit.oom && exit.code > 128 && exit.code < 160 && (
          <span className="font-normal text-fg-2"> {t('instance.exitSignal', { n: exit.code - 128 })}</span>
        )}
      </p>
      {exit.last_lines.length > 0 && (
        <section
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by the keyboard.
          tabIndex={0}
          aria-label={t('instance.lastLines')}
          className="mono mt-2 max-h-60 overflow-auto whitespace-pre-wrap break-words rounded-md bg-code p-2.5 leading-[18px] text-fg-2"
        >
          {exit.last_lines.join('\n')}
        </section>
      )}
    </div>
  )
}
