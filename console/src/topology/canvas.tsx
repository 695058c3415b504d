/**
 * The graph as one sees it: panned and zoomed by a transform alone, with only those nodes in the document that are in sight.
 * Far away, where nobody reads, it is a picture of blocks and lines. One tab stop; arrows go from node to node.
 */
import { Maximize, Minus, Plus } from 'lucide-react'
import {
  type KeyboardEvent,
  type PointerEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react'
import type { Topology, TopologyEdge, TopologyNode } from '../api/types'
import { useI18n } from '../i18n'
import { cx } from '../ui/cx'
import { EdgeLabel, EdgeLine } from './edge'
import { edgeKey, type Layout, layOut, type Point } from './layout'
import { NodeCard, nodeHeight, nodeWidth } from './node'
import { drawFar } from './picture'
import { type Flow, flowOf } from './traffic'

export type Picked = { node: string } | { edge: [string, string] } | undefined

interface Props {
  graph: Topology
  label: string
  picked: Picked
  onPick: (picked: Picked) => void
  /** Enter: to the inspector. */
  onOpen: () => void
  /** Dropped on another node; absent where nothing may be changed. */
  onConnect?: (from: string, to: string) => void
  /** The key for it: asks for the other end. */
  onAsk?: (from: string) => void
  /** Nodes whose name has it stand out. */
  find: string
  children?: ReactNode
}

/** Below this nobody reads a card. */
const far = 0.45
const margin = 260

export function Canvas({ graph, label, picked, onPick, onOpen, onConnect, onAsk, find, children }: Props) {
  const { t } = useI18n()
  const frame = useRef<HTMLDivElement>(null)
  const world = useRef<HTMLDivElement>(null)
  const picture = useRef<HTMLCanvasElement>(null)
  const view = useRef({ x: 0, y: 0, k: 1 })
  const [shown, setShown] = useState({ l: 0, t: 0, r: 0, b: 0, near: true })
  const [drag, setDrag] = useState<{ from: string; at: Point; over?: string }>()
  const structure = useMemo(
    () =>
      JSON.stringify([
        graph.nodes.map((node) => [node.id, nodeHeight(node)]),
        graph.edges.map((edge) => [edge.from, edge.to]),
      ]),
    [graph],
  )
  // The same structure is the same layout: what only moves its numbers moves no node.
  const layout: Layout = useMemo(() => {
    const [nodes, links] = JSON.parse(structure) as [[string, number][], [string, string][]]
    const boxes = nodes.map(([id, h]) => ({ id, w: nodeWidth, h }))
    performance.mark('layout')
    const made = layOut(boxes, links, '@gateway')
    performance.measure('topology layout', 'layout')
    return made
  }, [structure])
  const flows = useMemo(
    () =>
      new Map<string, [TopologyEdge, Flow]>(
        graph.edges.map((edge) => [edgeKey(edge.from, edge.to), [edge, flowOf(edge)]]),
      ),
    [graph],
  )
  const byId = useMemo(() => new Map(graph.nodes.map((node) => [node.id, node])), [graph])
  const current = picked && 'node' in picked ? picked.node : undefined
  const cursor = current && byId.has(current) ? current : graph.nodes[0]?.id

  // One for all, so that cards and lines that stay as they are need not be looked at again.
  const picking = useRef(onPick)
  picking.current = onPick
  const pick = useCallback((next: Picked) => picking.current(next), [])

  const latest = useRef({ layout, graph, flows, current, find })
  latest.current = { layout, graph, flows, current, find }
  const paint = useCallback(() => {
    const canvas = picture.current
    if (canvas) drawFar(canvas, view.current, latest.current)
  }, [])
  /** Puts the view where it is wanted; React hears of it only when other nodes come into sight. */
  const move = useCallback(
    (next: { x: number; y: number; k: number }) => {
      view.current = next
      const box = frame.current
      if (!box || !world.current) return
      world.current.style.transform = `translate(${next.x}px,${next.y}px) scale(${next.k})`
      const near = next.k >= far
      const sight = {
        l: -next.x / next.k,
        t: -next.y / next.k,
        r: (box.clientWidth - next.x) / next.k,
        b: (box.clientHeight - next.y) / next.k,
      }
      setShown((old) => {
        const inside = sight.l >= old.l && sight.t >= old.t && sight.r <= old.r && sight.b <= old.b
        if (old.near === near && inside) return old
        const more = margin / next.k
        return { l: sight.l - more, t: sight.t - more, r: sight.r + more, b: sight.b + more, near }
      })
      if (!near) paint()
    },
    [paint],
  )
  const zoom = useCallback(
    (factor: number, at?: Point) => {
      const box = frame.current
      if (!box) return
      const { x, y, k } = view.current
      const next = Math.min(2, Math.max(0.01, k * factor))
      const point = at ?? { x: box.clientWidth / 2, y: box.clientHeight / 2 }
      move({ x: point.x - ((point.x - x) * next) / k, y: point.y - ((point.y - y) * next) / k, k: next })
    },
    [move],
  )
  const fit = useCallback(() => {
    const box = frame.current
    if (!box) return
    const { width, height } = latest.current.layout
    const [w, h] = [box.clientWidth - 48, box.clientHeight - 108]
    const k = Math.min(1.1, Math.max(0.01, Math.min(w / Math.max(1, width), h / Math.max(1, height))))
    move({ x: 24 + Math.max(0, (w - width * k) / 2), y: 66 + Math.max(0, (h - height * k) / 2), k })
  }, [move])
  // biome-ignore lint/correctness/useExhaustiveDependencies: another structure is looked at as a whole; it stays put otherwise.
  useLayoutEffect(fit, [structure, fit])
  useEffect(() => {
    const observer = new ResizeObserver(() => move(view.current))
    if (frame.current) observer.observe(frame.current)
    const theme = new MutationObserver(paint)
    theme.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
    return () => {
      observer.disconnect()
      theme.disconnect()
    }
  }, [move, paint])
  // The wheel must not scroll the page too, which React's own listener cannot say.
  useEffect(() => {
    const box = frame.current
    if (!box) return
    const wheel = (event: WheelEvent) => {
      event.preventDefault()
      const edge = box.getBoundingClientRect()
      if (event.ctrlKey || event.metaKey || !event.shiftKey)
        zoom(Math.exp(-event.deltaY * 0.0016), { x: event.clientX - edge.left, y: event.clientY - edge.top })
      else move({ ...view.current, x: view.current.x - event.deltaY })
    }
    box.addEventListener('wheel', wheel, { passive: false })
    return () => box.removeEventListener('wheel', wheel)
  }, [move, zoom])
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is drawn has changed.
  useEffect(() => {
    if (!shown.near) paint()
  }, [graph, layout, current, find, shown, paint])

  const inWorld = (event: { clientX: number; clientY: number }): Point => {
    const edge = frame.current?.getBoundingClientRect()
    const { x, y, k } = view.current
    return { x: (event.clientX - (edge?.left ?? 0) - x) / k, y: (event.clientY - (edge?.top ?? 0) - y) / k }
  }
  const nodeAt = (point: Point) =>
    graph.nodes.find((node) => {
      const at = layout.nodes.get(node.id)
      return (
        at &&
        point.x >= at.x &&
        point.x <= at.x + nodeWidth &&
        point.y >= at.y &&
        point.y <= at.y + nodeHeight(node)
      )
    })?.id
  const canUse = (from: string, to: string | undefined): to is string => {
    if (to === undefined || to === from) return false
    const edge = flows.get(edgeKey(from, to))?.[0]
    return !edge?.declared && editable(byId.get(from)) && editable(byId.get(to))
  }

  const panning = useRef<{ x: number; y: number; vx: number; vy: number; moved: boolean }>(undefined)
  const down = (event: PointerEvent) => {
    if (event.button !== 0) return
    const target = event.target as HTMLElement
    const handle = target.closest<HTMLElement>('[data-connect]')
    if (handle?.dataset.connect) {
      event.preventDefault()
      setDrag({ from: handle.dataset.connect, at: inWorld(event) })
      frame.current?.setPointerCapture(event.pointerId)
      return
    }
    if (target.closest('button, [data-edge], [data-tools]')) return
    // A layer of its own while it moves; standing still it is drawn sharp.
    if (world.current) world.current.style.willChange = 'transform'
    panning.current = {
      x: event.clientX,
      y: event.clientY,
      vx: view.current.x,
      vy: view.current.y,
      moved: false,
    }
    frame.current?.setPointerCapture(event.pointerId)
  }
  const moved = (event: PointerEvent) => {
    if (drag) {
      const at = inWorld(event)
      const over = nodeAt(at)
      setDrag({ ...drag, at, over: canUse(drag.from, over) ? over : undefined })
      return
    }
    const pan = panning.current
    if (!pan) return
    const [dx, dy] = [event.clientX - pan.x, event.clientY - pan.y]
    pan.moved ||= Math.hypot(dx, dy) > 4
    move({ x: pan.vx + dx, y: pan.vy + dy, k: view.current.k })
  }
  const up = (event: PointerEvent) => {
    if (drag) {
      const over = nodeAt(inWorld(event))
      if (canUse(drag.from, over)) onConnect?.(drag.from, over)
      setDrag(undefined)
      return
    }
    const pan = panning.current
    panning.current = undefined
    if (world.current) world.current.style.willChange = ''
    if (!pan || pan.moved) return
    // Far away there is nothing in the document to be clicked at.
    const hit = shown.near ? undefined : nodeAt(inWorld(event))
    onPick(hit ? { node: hit } : undefined)
  }

  /** Brings a node into sight, near enough to be read. */
  const reveal = useCallback(
    (id: string) => {
      const at = latest.current.layout.nodes.get(id)
      const box = frame.current
      if (!at || !box) return
      const k = Math.max(view.current.k, far)
      const [x, y] = [at.x * k + view.current.x, at.y * k + view.current.y]
      const inside =
        k === view.current.k &&
        x > 16 &&
        y > 60 &&
        x + nodeWidth * k < box.clientWidth - 16 &&
        y + 100 * k < box.clientHeight - 16
      if (!inside)
        move({
          x: box.clientWidth / 2 - (at.x + nodeWidth / 2) * k,
          y: box.clientHeight / 2 - (at.y + 50) * k,
          k,
        })
    },
    [move],
  )
  const go = (id: string) => {
    onPick({ node: id })
    reveal(id)
    // After the node has come into the document.
    requestAnimationFrame(() => requestAnimationFrame(() => focusNode(world.current, id)))
  }
  const keys = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const steps: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowUp: [0, -1],
      ArrowDown: [0, 1],
    }
    const step = steps[event.key]
    if (step && cursor) {
      event.preventDefault()
      const to = nearest(layout, cursor, step)
      if (to) go(to)
    } else if (event.key === 'Enter' && cursor) {
      event.preventDefault()
      onPick({ node: cursor })
      onOpen()
    } else if (event.key === 'u' && cursor && onAsk && editable(byId.get(cursor))) {
      event.preventDefault()
      onAsk(cursor)
    } else if (event.key === '+' || event.key === '=') zoom(1.25)
    else if (event.key === '-') zoom(0.8)
    else if (event.key === '0') fit()
    else if (event.key === 'Escape') onPick(undefined)
  }
  // Searching goes to the first that is found.
  useEffect(() => {
    const found = find && latest.current.graph.nodes.find((node) => matches(node, find))
    if (found) reveal(found.id)
  }, [find, reveal])

  const sees = (id: string) => {
    const at = layout.nodes.get(id)
    return at && at.x < shown.r && at.x + nodeWidth > shown.l && at.y < shown.b && at.y + 140 > shown.t
  }
  const nodes = graph.nodes.filter((node) => node.id === cursor || (shown.near && sees(node.id)))
  const edges = shown.near ? [...flows].filter(([, [edge]]) => sees(edge.from) || sees(edge.to)) : []
  const start = drag && layout.nodes.get(drag.from)
  return (
    <div
      ref={frame}
      data-topology
      className={cx(
        'relative h-full min-h-0 touch-none overflow-hidden bg-bg [background-image:radial-gradient(var(--dot)_1.2px,transparent_1.2px)] [background-size:20px_20px]',
        drag ? 'cursor-crosshair' : 'cursor-grab active:cursor-grabbing',
      )}
      onPointerDown={down}
      onPointerMove={moved}
      onPointerUp={up}
      onPointerCancel={() => {
        panning.current = undefined
        setDrag(undefined)
      }}
    >
      <canvas
        ref={picture}
        aria-hidden
        className={cx('absolute inset-0 h-full w-full', shown.near && 'hidden')}
      />
      {/* biome-ignore lint/a11y/useSemanticElements: no fieldset is moved about by a transform. */}
      <div
        ref={world}
        role="group"
        aria-label={label}
        onKeyDown={keys}
        className="absolute left-0 top-0 origin-top-left"
      >
        <svg
          className="pointer-events-none absolute left-0 top-0 overflow-visible"
          width={1}
          height={1}
          aria-hidden
        >
          {edges.map(([key, [edge, flow]]) => (
            <EdgeLine
              key={key}
              path={layout.edges.get(key)?.path ?? ''}
              flow={flow}
              declared={edge.declared}
              on={isOn(edge, picked)}
              from={edge.from}
              to={edge.to}
              onPick={pick}
            />
          ))}
          {drag && start && (
            <path
              d={`M${start.x + nodeWidth},${start.y + 46}L${drag.at.x},${drag.at.y}`}
              fill="none"
              stroke="var(--accent)"
              strokeWidth={2}
              strokeDasharray="5 5"
            />
          )}
        </svg>
        {edges.map(([key, [edge, flow]]) => {
          const at = layout.edges.get(key)?.label
          return at && <EdgeLabel key={key} at={at} flow={flow} on={isOn(edge, picked)} />
        })}
        {nodes.map((node) => {
          const at = layout.nodes.get(node.id)
          if (!at) return null
          return (
            <NodeCard
              key={node.id}
              node={node}
              at={at}
              tabbable={node.id === cursor}
              picked={node.id === current}
              aimed={node.id === drag?.over}
              dim={find !== '' && !matches(node, find)}
              connects={onConnect !== undefined && editable(node)}
              onPick={pick}
            />
          )
        })}
      </div>
      <div
        data-tools
        className="pointer-events-none absolute inset-x-4 top-3 flex flex-wrap items-start gap-2 [&>*]:pointer-events-auto"
      >
        {children}
        <div className="flex h-8 items-center rounded-md border border-line-2 bg-surface p-0.5 shadow-1">
          {(
            [
              [t('topology.zoomIn'), Plus, () => zoom(1.25)],
              [t('topology.zoomOut'), Minus, () => zoom(0.8)],
              [t('topology.fit'), Maximize, fit],
            ] as const
          ).map(([name, Icon, act]) => (
            <button
              key={name}
              type="button"
              aria-label={name}
              title={name}
              onClick={act}
              className="grid h-7 w-7 place-items-center rounded-md text-fg-2 hover:bg-hover"
            >
              <Icon size={14} aria-hidden />
            </button>
          ))}
        </div>
      </div>
    </div>
  )
}

/** Whether it is a component that can use another, or be used. */
export const editable = (node: TopologyNode | undefined) =>
  node !== undefined && !node.id.startsWith('@') && node.kind !== 'application'

export const matches = (node: TopologyNode, find: string) =>
  `${node.environment ?? ''} ${node.name} ${node.kind} ${node.what}`
    .toLowerCase()
    .includes(find.trim().toLowerCase())

const isOn = (edge: TopologyEdge, picked: Picked) =>
  picked !== undefined &&
  ('node' in picked
    ? edge.from === picked.node || edge.to === picked.node
    : edge.from === picked.edge[0] && edge.to === picked.edge[1])

const focusNode = (within: HTMLElement | null, id: string) =>
  within?.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus({ preventScroll: true })

/** The next node in a direction: near in that direction counts more than straight ahead. */
function nearest(layout: Layout, from: string, [dx, dy]: [number, number]) {
  const here = layout.nodes.get(from)
  if (!here) return undefined
  let best: { id: string; far: number } | undefined
  for (const [id, at] of layout.nodes) {
    const [x, y] = [at.x - here.x, at.y - here.y]
    const ahead = x * dx + y * dy
    if (id === from || ahead <= 4) continue
    const aside = Math.abs(x * dy) + Math.abs(y * dx)
    const distance = ahead + aside * 2.2
    if (!best || distance < best.far) best = { id, far: distance }
  }
  return best?.id
}
