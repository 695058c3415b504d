/** The graph from far away: plain blocks and plain lines, drawn anew for each frame that moves it. */
import type { Topology, TopologyEdge } from '../api/types'
import { asState, toneOf } from '../ui/status'
import { edgeKey, type Layout } from './layout'
import { nodeHeight, nodeWidth } from './node'
import { type Flow, ill, still } from './traffic'

interface What {
  layout: Layout
  graph: Topology
  flows: Map<string, [TopologyEdge, Flow]>
  current: string | undefined
  find: string
}

const paths = new WeakMap<Layout, Map<string, Path2D>>()
const colours = new Map<string, string>()
let theme = ''
function colour(name: string) {
  const now = document.documentElement.dataset.theme ?? ''
  if (now !== theme) {
    theme = now
    colours.clear()
  }
  let found = colours.get(name)
  if (!found) {
    found = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
    colours.set(name, found)
  }
  return found
}

export function drawFar(canvas: HTMLCanvasElement, view: { x: number; y: number; k: number }, what: What) {
  const sharp = Math.min(2, devicePixelRatio || 1)
  const [w, h] = [canvas.clientWidth, canvas.clientHeight]
  if (canvas.width !== w * sharp || canvas.height !== h * sharp) {
    canvas.width = w * sharp
    canvas.height = h * sharp
  }
  const context = canvas.getContext('2d')
  if (!context || !w) return
  context.setTransform(1, 0, 0, 1, 0, 0)
  context.clearRect(0, 0, canvas.width, canvas.height)
  context.setTransform(view.k * sharp, 0, 0, view.k * sharp, view.x * sharp, view.y * sharp)
  const known = paths.get(what.layout) ?? new Map<string, Path2D>()
  paths.set(what.layout, known)
  context.lineWidth = Math.max(1.2, 0.9 / view.k)
  for (const edge of what.graph.edges) {
    const key = edgeKey(edge.from, edge.to)
    let path = known.get(key)
    if (!path) {
      path = new Path2D(what.layout.edges.get(key)?.path ?? '')
      known.set(key, path)
    }
    const flow = what.flows.get(key)?.[1]
    const on = edge.from === what.current || edge.to === what.current
    context.strokeStyle = colour(
      flow && ill(flow) ? 'bad' : on ? 'accent' : flow && !still(flow) ? 'line-3' : 'line-2',
    )
    context.stroke(path)
  }
  const find = what.find.trim().toLowerCase()
  const [l, t, r, b] = [-view.x / view.k, -view.y / view.k, (w - view.x) / view.k, (h - view.y) / view.k]
  for (const node of what.graph.nodes) {
    const at = what.layout.nodes.get(node.id)
    const height = nodeHeight(node)
    if (!at || at.x > r || at.y > b || at.x + nodeWidth < l || at.y + height < t) continue
    const tone = toneOf(asState(node.status))
    context.globalAlpha = find && !node.name.toLowerCase().includes(find) ? 0.25 : 1
    context.fillStyle = colour(tone === 'mute' || tone === 'ok' ? 'surface' : `${tone}-soft`)
    context.strokeStyle = colour(
      node.id === what.current ? 'accent' : tone === 'mute' || tone === 'ok' ? 'line-3' : tone,
    )
    context.lineWidth = node.id === what.current ? 3 / view.k : 1.4 / view.k
    context.fillRect(at.x, at.y, nodeWidth, height)
    context.strokeRect(at.x, at.y, nodeWidth, height)
  }
  context.globalAlpha = 1
}
