/** A topology with its tools: search, window of time, picture or list, inspector. Of an application and of an environment. */
import { Search, Waypoints } from 'lucide-react'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { usePlacedOn } from '../api/environments'
import type { Resource } from '../api/resource'
import type { Topology } from '../api/types'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { Input, Segmented, Select } from '../ui/controls'
import { Empty, LoadingRows, ProblemPanel } from '../ui/panels'
import { Canvas, type Picked } from './canvas'
import { GraphList, Inspector } from './inspector'

export const windows = [60, 300, 900, 3600]
/** How often rates are asked for while somebody looks. */
const beat = 3000

export function TopologyView({
  graph,
  app,
  label,
  window: seconds,
  onWindow,
  onConnect,
  onAsk,
  onRemove,
  empty,
  tools,
}: {
  graph: Resource<Topology>
  app?: string
  label: string
  window: number
  onWindow: (seconds: number) => void
  onConnect?: (from: string, to: string) => void
  onAsk?: (from: string) => void
  onRemove?: (from: string, to: string) => void
  empty: ReactNode
  tools?: ReactNode
}) {
  const { t, duration } = useI18n()
  const placedOn = usePlacedOn()
  const [picked, setPicked] = useState<Picked>()
  const [find, setFind] = useState('')
  const narrow = useNarrow()
  const [as, setAs] = useState<'graph' | 'list'>('graph')
  const field = useRef<HTMLInputElement>(null)
  const { refresh } = graph
  useKeys({ '/': () => field.current?.focus() })
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && refresh(), beat)
    return () => clearInterval(timer)
  }, [refresh])
  const data = graph.data
  if (!data)
    return graph.problem ? (
      <div className="p-5">
        <ProblemPanel problem={graph.problem} onRetry={graph.refresh} />
      </div>
    ) : (
      <LoadingRows />
    )
  if (!data.nodes.some((node) => !node.id.startsWith('@'))) return <div className="p-5">{empty}</div>
  const list = narrow || as === 'list'
  const bar = (
    <>
      <div className="relative w-48">
        <Search size={14} aria-hidden className="absolute left-2.5 top-2 text-fg-3" />
        <Input
          ref={field}
          type="search"
          aria-label={t('topology.find')}
          placeholder={t('topology.find')}
          value={find}
          onChange={(event) => setFind(event.target.value)}
          className="!pl-8 shadow-1"
        />
      </div>
      <Select
        aria-label={t('topology.window')}
        value={seconds}
        onChange={(event) => onWindow(Number(event.target.value))}
      >
        {windows.map((one) => (
          <option key={one} value={one}>
            {t('topology.last', { time: duration(one * 1000) })}
          </option>
        ))}
      </Select>
      {!narrow && (
        <Segmented
          label={t('topology.shownAs')}
          value={as}
          items={[
            ['graph', t('topology.graph')],
            ['list', t('topology.list')],
          ]}
          onChange={setAs}
        />
      )}
      {tools}
    </>
  )
  return (
    <div className="flex min-h-0 flex-1 flex-col md:flex-row">
      <div className="flex min-h-0 min-w-0 flex-1 flex-col">
        {data.seen_ms_ago == null && (
          <p role="status" className="border-b bg-warn-soft px-4 py-1.5 text-xs font-medium text-warn">
            {placedOn ? t('cluster.topologyUnknown', { cluster: placedOn }) : t('topology.unknown')}
          </p>
        )}
        {list ? (
          <>
            <div className="flex flex-wrap gap-2 border-b px-4 py-3">{bar}</div>
            <div className="min-h-0 flex-1 overflow-auto pb-20 md:pb-4">
              <GraphList graph={data} onPick={setPicked} find={find} />
            </div>
          </>
        ) : (
          <Canvas
            graph={data}
            label={label}
            picked={picked}
            onPick={setPicked}
            onOpen={() =>
              requestAnimationFrame(() => document.querySelector<HTMLElement>('[data-inspector]')?.focus())
            }
            onConnect={onConnect}
            onAsk={onAsk}
            find={find}
          >
            {bar}
          </Canvas>
        )}
      </div>
      {picked && <Inspector {...{ graph: data, app, picked, onAsk, onRemove }} onPick={setPicked} />}
    </div>
  )
}

export function NothingThere({
  title,
  text,
  children,
}: {
  title: string
  text: string
  children?: ReactNode
}) {
  return (
    <div className="card">
      <Empty icon={Waypoints} title={title} text={text}>
        {children}
      </Empty>
    </div>
  )
}

function useNarrow() {
  const query = '(max-width: 767px)'
  const [narrow, setNarrow] = useState(() => matchMedia(query).matches)
  useEffect(() => {
    const media = matchMedia(query)
    const change = () => setNarrow(media.matches)
    media.addEventListener('change', change)
    return () => media.removeEventListener('change', change)
  }, [])
  return narrow
}
