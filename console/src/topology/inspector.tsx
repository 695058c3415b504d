/** What is known of the node or edge that is picked, and what can be done with it. */
import {
  ArrowDownLeft,
  ArrowUpRight,
  FileText,
  Plus,
  Settings2,
  SquareTerminal,
  Trash2,
  X,
} from 'lucide-react'
import type { ReactNode } from 'react'
import type { EdgeTraffic, Topology, TopologyEdge, TopologyNode } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Facts } from '../ui/card'
import { Button, ButtonLink } from '../ui/controls'
import { asState, Status } from '../ui/status'
import { editable, type Picked } from './canvas'
import { cpu, KindTile, kindWord, nodeName } from './node'
import { flowOf, ill, label, percent, rateText, sizeText, spoken } from './traffic'

export function Inspector({
  graph,
  app,
  picked,
  onPick,
  onAsk,
  onRemove,
}: {
  graph: Topology
  /** The application whose components these are; absent where the nodes are applications. */
  app?: string
  picked: NonNullable<Picked>
  onPick: (picked: Picked) => void
  onAsk?: (from: string) => void
  onRemove?: (from: string, to: string) => void
}) {
  const i18n = useI18n()
  const { t } = i18n
  const find = (id: string) => graph.nodes.find((node) => node.id === id)
  const name = (id: string) => {
    const node = find(id)
    return node ? nodeName(node, i18n) : id
  }
  let title = ''
  let body: ReactNode = null
  let tile: ReactNode = null
  if ('node' in picked) {
    const node = find(picked.node)
    if (!node) return null
    title = nodeName(node, i18n)
    tile = <KindTile kind={node.kind} size={36} />
    body = <NodeBody {...{ graph, app, node, onPick, onAsk, name }} />
  } else {
    const edge = graph.edges.find((one) => one.from === picked.edge[0] && one.to === picked.edge[1])
    if (!edge) return null
    title = `${name(edge.from)} → ${name(edge.to)}`
    body = <EdgeBody {...{ graph, edge, onPick, onRemove, name }} />
  }
  return (
    <aside
      aria-label={t('topology.inspector', { name: title })}
      className="shrink-0 overflow-auto border-l bg-surface max-md:border-l-0 max-md:border-t md:w-[340px]"
    >
      <div className="sticky top-0 z-10 flex items-center gap-3 bg-surface px-4 pb-2 pt-4">
        {tile}
        <h2 className="min-w-0 flex-1 truncate text-lg leading-6">{title}</h2>
        <button
          type="button"
          data-inspector
          aria-label={t('common.close')}
          onClick={() => onPick(undefined)}
          className="touch grid h-7 w-7 place-items-center rounded-md text-fg-3 hover:bg-hover"
        >
          <X size={15} aria-hidden />
        </button>
      </div>
      {body}
    </aside>
  )
}

function Section({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <section className="mt-3 border-t px-4 pb-1 pt-3">
      <h3 className="mb-1.5 flex items-baseline text-xs font-semibold">
        {title}
        {hint && <span className="ml-auto font-normal text-fg-3">{hint}</span>}
      </h3>
      {children}
    </section>
  )
}

function NodeBody({
  graph,
  app,
  node,
  onPick,
  onAsk,
  name,
}: {
  graph: Topology
  app?: string
  node: TopologyNode
  onPick: (picked: Picked) => void
  onAsk?: (from: string) => void
  name: (id: string) => string
}) {
  const i18n = useI18n()
  const { t, bytes, when, duration } = i18n
  const place = usePlace()
  const memory = node.memory_bytes != null ? bytes(node.memory_bytes) : undefined
  const inward = graph.edges.filter((edge) => edge.to === node.id)
  const outward = graph.edges.filter((edge) => edge.from === node.id)
  const component = app !== undefined && editable(node)
  const facts: [ReactNode, ReactNode][] = [
    [t('topology.kindOf'), kindWord(node.kind, i18n)],
    ...(node.environment
      ? ([[t('topology.environment'), node.environment]] as [ReactNode, ReactNode][])
      : []),
    ...(node.instances_wanted
      ? ([
          [
            t('settings.instances'),
            t('topology.readyOf', { ready: node.instances_ready, wanted: node.instances_wanted }),
          ],
        ] as [ReactNode, ReactNode][])
      : []),
    ...(node.what
      ? ([
          [
            t('topology.what'),
            <span key="what" className="mono break-all">
              {node.what}
            </span>,
          ],
        ] as [ReactNode, ReactNode][])
      : []),
    ...(memory
      ? ([
          ['CPU', cpu(node.cpu_millis ?? 0, i18n)],
          [t('topology.memory'), `${memory.value} ${memory.unit}`],
        ] as [ReactNode, ReactNode][])
      : []),
    ...(node.ports.length
      ? ([
          [
            t('topology.ports'),
            node.ports.map((port) => `${port.name} ${port.port} ${port.protocol}`).join(', '),
          ],
        ] as [ReactNode, ReactNode][])
      : []),
    ...(node.hosts.length
      ? ([
          [
            t('topology.reachedAt'),
            <span key="hosts" className="break-all">
              {node.hosts.join(', ')}
            </span>,
          ],
        ] as [ReactNode, ReactNode][])
      : []),
    ...(node.next_run_at ? ([[t('topology.next'), when(node.next_run_at)]] as [ReactNode, ReactNode][]) : []),
  ]
  const target = node.kind === 'application' ? node.name : undefined
  return (
    <div className="pb-4">
      {node.kind !== 'gateway' && node.kind !== 'elsewhere' && !node.id.startsWith('@') && (
        <div className="px-4 text-sm">
          <Status state={asState(node.status)} />
          {node.status_note && <span className="ml-2 text-xs text-fg-3">{node.status_note}</span>}
        </div>
      )}
      {node.id === '@elsewhere' && <p className="px-4 text-xs text-fg-2">{t('topology.elsewhereText')}</p>}
      {component && (
        <div className="mt-2 flex flex-wrap gap-1.5 px-4">
          <ButtonLink
            size="sm"
            to="/t/$team/e/$env/apps/$app/components"
            params={{ ...place, app }}
            search={{ component: node.id }}
          >
            <Settings2 size={13} aria-hidden />
            {t('topology.edit')}
          </ButtonLink>
          <ButtonLink
            size="sm"
            to="/t/$team/e/$env/apps/$app/logs"
            params={{ ...place, app }}
            search={{ component: node.id }}
          >
            <FileText size={13} aria-hidden />
            {t('app.tab.logs')}
          </ButtonLink>
          <ButtonLink size="sm" to="/t/$team/e/$env/apps/$app/terminal" params={{ ...place, app }}>
            <SquareTerminal size={13} aria-hidden />
            {t('app.tab.terminal')}
          </ButtonLink>
        </div>
      )}
      {target !== undefined && (
        <div className="mt-2 px-4">
          <ButtonLink
            size="sm"
            to="/t/$team/e/$env/apps/$app/topology"
            params={{ team: place.team, env: node.environment ?? place.env, app: target }}
          >
            {t('topology.openApp')}
          </ButtonLink>
        </div>
      )}
      <Section title={t('topology.about')}>
        <Facts items={facts} />
      </Section>
      <Section
        title={t('topology.connections')}
        hint={t('topology.over', { time: duration(graph.window_seconds * 1000) })}
      >
        {inward.length + outward.length === 0 && (
          <p className="text-xs text-fg-3">{t('topology.noConnections')}</p>
        )}
        <ul className="-mx-1 text-xs">
          {[
            ...inward.map((edge) => [edge, true] as const),
            ...outward.map((edge) => [edge, false] as const),
          ].map(([edge, from]) => {
            const flow = flowOf(edge)
            const other = from ? edge.from : edge.to
            return (
              <li key={`${edge.from}→${edge.to}`}>
                <button
                  type="button"
                  onClick={() => onPick({ edge: [edge.from, edge.to] })}
                  className="touch flex min-h-7 w-full items-center gap-2 rounded-md px-1 text-left hover:bg-hover"
                >
                  <span className="sr-only">
                    {`${t(from ? 'topology.askedBy' : 'topology.asks', { name: name(other) })}: ${spoken(flow, i18n)}`}
                  </span>
                  {from ? (
                    <ArrowDownLeft size={13} aria-hidden className="shrink-0 text-fg-3" />
                  ) : (
                    <ArrowUpRight size={13} aria-hidden className="shrink-0 text-fg-3" />
                  )}
                  <span aria-hidden className="min-w-0 flex-1 truncate font-medium">
                    {name(other)}
                  </span>
                  <span aria-hidden className={ill(flow) ? 'num text-bad' : 'num text-fg-2'}>
                    {label(flow, i18n)}
                  </span>
                </button>
              </li>
            )
          })}
        </ul>
        {component && onAsk && (
          <Button size="sm" className="mt-2" onClick={() => onAsk(node.id)}>
            <Plus size={13} aria-hidden />
            {t('topology.addUse')}
          </Button>
        )}
      </Section>
    </div>
  )
}

function EdgeBody({
  graph,
  edge,
  onPick,
  onRemove,
  name,
}: {
  graph: Topology
  edge: TopologyEdge
  onPick: (picked: Picked) => void
  onRemove?: (from: string, to: string) => void
  name: (id: string) => string
}) {
  const i18n = useI18n()
  const { t, duration } = i18n
  const own = edge.declared && !edge.from.startsWith('@') && !edge.to.startsWith('@')
  return (
    <div className="pb-4">
      <p className="px-4 text-xs text-fg-2">
        {edge.from === '@gateway'
          ? t('topology.byRoute')
          : edge.declared
            ? t('topology.declared')
            : t('topology.undeclared')}
        {edge.prefix && ` ${t('topology.prefix', { prefix: edge.prefix })}`}
      </p>
      <div className="mt-2 flex flex-wrap gap-1.5 px-4">
        {[edge.from, edge.to].map((id) => (
          <Button key={id} size="sm" onClick={() => onPick({ node: id })}>
            {name(id)}
          </Button>
        ))}
        {own && onRemove && (
          <Button size="sm" variant="danger" onClick={() => onRemove(edge.from, edge.to)}>
            <Trash2 size={13} aria-hidden />
            {t('topology.removeUse')}
          </Button>
        )}
      </div>
      {edge.traffic.length === 0 && (
        <Section title={t('topology.traffic')}>
          <p className="text-xs text-fg-3">{t('topology.nothingYet')}</p>
        </Section>
      )}
      {edge.traffic.map((one) => (
        <Section
          key={`${one.port}-${one.route ?? ''}`}
          title={one.route ?? (one.port || t('topology.traffic'))}
          hint={`${one.protocol} · ${t('topology.over', { time: duration(graph.window_seconds * 1000) })}`}
        >
          <Facts items={figures(one, i18n)} />
        </Section>
      ))}
    </div>
  )
}

function figures(one: EdgeTraffic, i18n: ReturnType<typeof useI18n>): [ReactNode, ReactNode][] {
  const { t, number, duration } = i18n
  const time = (ms: number | null | undefined) =>
    ms == null ? '—' : ms < 10 ? `${number(ms, 1)} ms` : duration(Math.round(ms))
  const bytes: [ReactNode, ReactNode][] = [
    [t('topology.in'), sizeText(one.received_per_second, i18n)],
    [t('topology.out'), sizeText(one.sent_per_second, i18n)],
  ]
  if (one.protocol === 'tcp')
    return [
      [t('topology.open'), number(one.open)],
      ...bytes,
      [t('topology.ended'), rateText(one.requests_per_second, i18n)],
      [t('topology.refused'), rateText(one.errors_per_second, i18n)],
    ]
  const share = one.requests_per_second > 0 ? one.errors_per_second / one.requests_per_second : 0
  return [
    [t('topology.requests'), rateText(one.requests_per_second, i18n)],
    ['p50', time(one.p50_ms)],
    ['p95', time(one.p95_ms)],
    [t('topology.errors'), `${rateText(one.errors_per_second, i18n)} · ${percent(Math.min(1, share), i18n)}`],
    [t('topology.clientErrors'), rateText(one.client_errors_per_second, i18n)],
    ...bytes,
    [t('topology.inFlight'), number(one.open)],
  ]
}

/** The same graph as a list, for a phone and for whoever does not see the picture. */
export function GraphList({
  graph,
  onPick,
  find,
}: {
  graph: Topology
  onPick: (picked: Picked) => void
  find: string
}) {
  const i18n = useI18n()
  const { t } = i18n
  const nodes = graph.nodes.filter((node) =>
    `${node.environment ?? ''} ${node.name} ${node.kind}`.toLowerCase().includes(find.trim().toLowerCase()),
  )
  const name = (id: string) => {
    const node = graph.nodes.find((one) => one.id === id)
    return node ? nodeName(node, i18n) : id
  }
  return (
    <ul className="divide-y divide-line">
      {nodes.map((node) => {
        const outward = graph.edges.filter((edge) => edge.from === node.id)
        return (
          <li key={node.id} className="px-4 py-2.5">
            <div className="flex flex-wrap items-center gap-2.5">
              <KindTile kind={node.kind} size={26} />
              <button
                type="button"
                onClick={() => onPick({ node: node.id })}
                className="touch min-w-0 truncate text-left text-sm font-semibold hover:text-accent-fg"
              >
                {nodeName(node, i18n)}
              </button>
              <span className="text-xs text-fg-3">{kindWord(node.kind, i18n)}</span>
              {!node.id.startsWith('@') && (
                <span className="ml-auto text-xs">
                  <Status state={asState(node.status)}>
                    {node.instances_wanted
                      ? t('topology.readyOf', { ready: node.instances_ready, wanted: node.instances_wanted })
                      : undefined}
                  </Status>
                </span>
              )}
            </div>
            {outward.length > 0 && (
              <ul className="mt-1 pl-9 text-xs text-fg-2">
                {outward.map((edge) => (
                  <li key={edge.to} className="flex min-h-7 flex-wrap items-center gap-x-2">
                    <button
                      type="button"
                      onClick={() => onPick({ edge: [edge.from, edge.to] })}
                      className="touch text-left hover:text-accent-fg"
                    >
                      {t('topology.asks', { name: name(edge.to) })}
                    </button>
                    <span className="num text-fg-3">{spoken(flowOf(edge), i18n)}</span>
                  </li>
                ))}
              </ul>
            )}
          </li>
        )
      })}
    </ul>
  )
}
