/** A node: what it is, how it is, how many of how many, what it uses. */
import {
  AppWindow,
  Box,
  CalendarClock,
  CircleHelp,
  Cloud,
  Database,
  Globe,
  Layers,
  type LucideIcon,
  Play,
  Server,
} from 'lucide-react'
import { memo } from 'react'
import type { TopologyNode } from '../api/types'
import { type I18n, useI18n } from '../i18n'
import { cx } from '../ui/cx'
import { asState, Status, StatusIcon, toneOf } from '../ui/status'
import type { Point } from './layout'
import { kindWord } from './words'

export const nodeWidth = 196
const symbols: Record<string, LucideIcon> = {
  gateway: Globe,
  application: AppWindow,
  elsewhere: CircleHelp,
  service: Box,
  stateful: Layers,
  database: Database,
  job: Play,
  cron: CalendarClock,
  daemon: Server,
  external: Cloud,
  vm: Server,
}

/** Whether it has no state of its own to show. */
const bare = (node: TopologyNode) => node.kind === 'gateway' || node.kind === 'elsewhere'
export const nodeHeight = (node: TopologyNode) =>
  bare(node) || (node.id.startsWith('@') && node.kind === 'application') ? 54 : 92

export function KindTile({ kind, size = 28 }: { kind: string; size?: number }) {
  const Icon = symbols[kind] ?? Box
  const stored = kind === 'database' || kind === 'stateful'
  return (
    <span
      aria-hidden
      style={{ width: size, height: size }}
      className={cx(
        'grid shrink-0 place-items-center rounded-md',
        kind === 'gateway'
          ? 'bg-accent text-on-accent'
          : stored
            ? 'bg-idle-soft text-idle'
            : 'bg-accent-soft text-accent-fg',
      )}
    >
      <Icon size={size * 0.54} strokeWidth={1.9} />
    </span>
  )
}

export { kindWord } from './words'
export const nodeName = (node: TopologyNode, { t }: I18n) =>
  node.id === '@gateway'
    ? t('topology.gateway')
    : node.id === '@elsewhere'
      ? t('topology.elsewhere')
      : node.environment
        ? `${node.environment}/${node.name}`
        : node.name

export const cpu = (millis: number, { number }: I18n) => number(millis / 1000, millis < 100 ? 3 : 2)

export const NodeCard = memo(function NodeCard({
  node,
  at,
  tabbable,
  picked,
  aimed,
  dim,
  connects,
  onPick,
}: {
  node: TopologyNode
  at: Point
  tabbable: boolean
  picked: boolean
  aimed: boolean
  dim: boolean
  connects: boolean
  onPick: (picked: { node: string }) => void
}) {
  const i18n = useI18n()
  const { t, bytes, when } = i18n
  const state = asState(node.status)
  const tone = toneOf(state)
  const memory = node.memory_bytes != null ? bytes(node.memory_bytes) : undefined
  const other = node.id.startsWith('@')
  return (
    <div
      className="group absolute"
      style={{ left: at.x, top: at.y, width: nodeWidth, height: nodeHeight(node) }}
    >
      <button
        type="button"
        data-node={node.id}
        tabIndex={tabbable ? 0 : -1}
        aria-pressed={picked}
        onClick={() => onPick({ node: node.id })}
        className={cx(
          'flex h-full w-full flex-col rounded-xl border bg-surface px-2.5 py-2 text-left shadow-1',
          picked
            ? 'border-accent ring-3 ring-accent/18'
            : aimed
              ? 'border-accent'
              : tone === 'bad'
                ? 'border-bad'
                : tone === 'warn'
                  ? 'border-warn'
                  : 'border-line-2 hover:border-line-3',
          (node.kind === 'external' ||
            state === 'stopped' ||
            state === 'scheduled' ||
            (other && !bare(node))) &&
            'border-dashed',
          dim && 'bg-sunken [&>*]:invisible',
        )}
      >
        <span className="flex w-full min-w-0 items-center gap-2.5">
          <KindTile kind={node.kind} size={30} />
          <span className="min-w-0 flex-1">
            <span className="block truncate text-sm font-semibold leading-4">
              {!bare(node) && <span className="sr-only">{kindWord(node.kind, i18n)} </span>}
              {node.environment ? (
                <>
                  <span className="sr-only">{nodeName(node, i18n)}</span>
                  <span aria-hidden>{node.name}</span>
                </>
              ) : (
                nodeName(node, i18n)
              )}
            </span>
            <span aria-hidden className="mt-0.5 block truncate text-2xs text-fg-3">
              {node.hosts.length && node.id === '@gateway'
                ? t('topology.hosts', { n: node.hosts.length })
                : node.environment || node.what || kindWord(node.kind, i18n)}
            </span>
          </span>
        </span>
        {nodeHeight(node) > 60 && (
          <>
            <span className="mt-1.5 flex w-full items-center gap-2 text-2xs">
              {node.instances_wanted > 0 ? (
                <Status state={state}>
                  <span className="sr-only">{t(`state.${state}`)}, </span>
                  {t('topology.readyOf', { ready: node.instances_ready, wanted: node.instances_wanted })}
                </Status>
              ) : (
                <Status state={state}>
                  {node.next_run_at ? t('topology.nextRun', { at: when(node.next_run_at) }) : undefined}
                </Status>
              )}
              <span className="ml-auto flex gap-[3px]" aria-hidden>
                {Array.from({ length: Math.min(8, node.instances_wanted) }, (_, i) => (
                  <i
                    key={i}
                    className={cx(
                      'h-[7px] w-[7px] rounded-[2px]',
                      i < node.instances_ready ? 'bg-ok' : 'border border-warn bg-warn-soft',
                    )}
                  />
                ))}
              </span>
            </span>
            {memory && (
              <span aria-hidden className="num mt-1 flex w-full gap-3 text-2xs text-fg-3">
                <span>
                  CPU <b className="font-medium text-fg-2">{cpu(node.cpu_millis ?? 0, i18n)}</b>
                </span>
                <span>
                  {t('topology.memory')} <b className="font-medium text-fg-2">{memory.value}</b> {memory.unit}
                </span>
              </span>
            )}
          </>
        )}
        {nodeHeight(node) <= 60 && !bare(node) && !other && <StatusIcon state={state} />}
      </button>
      {connects && (
        <span
          data-connect={node.id}
          aria-hidden
          title={t('topology.dragToUse')}
          className={cx(
            'absolute -right-2.5 top-[36px] grid h-5 w-5 cursor-crosshair place-items-center rounded-full border-2 border-accent bg-surface text-accent-fg group-hover:visible group-focus-within:visible',
            picked ? 'visible' : 'invisible',
          )}
        />
      )}
    </div>
  )
})
