/**
 * A layered layout from left to right: who asks stands before whom it asks, the gateway first. Nodes keep their order from
 * one look to the next as long as the structure is the same. Pure, and quick enough to need no worker.
 */
export interface Box {
  id: string
  w: number
  h: number
}
export interface Point {
  x: number
  y: number
}
export interface Layout {
  /** Left upper corners. */
  nodes: Map<string, Point>
  /** By `from→to`: the path, and where its label goes. */
  edges: Map<string, { path: string; label: Point }>
  width: number
  height: number
}
export const edgeKey = (from: string, to: string) => `${from}→${to}`

const columnGap = 156
const rowGap = 34
/** A long edge takes so much room in the columns that it passes. */
const lane = 22

interface Cell {
  id?: string
  h: number
  y: number
  before: number[]
  after: number[]
  order: number
}

export function layOut(boxes: Box[], links: [string, string][], first?: string): Layout {
  const known = new Map(boxes.map((box) => [box.id, box]))
  const pairs = links.filter(([from, to]) => from !== to && known.has(from) && known.has(to))
  const touched = new Set(pairs.flat())
  const joined = boxes.filter((box) => touched.has(box.id))
  const alone = boxes.filter((box) => !touched.has(box.id))
  const next = new Map<string, string[]>(joined.map((box) => [box.id, []]))
  for (const [from, to] of pairs) next.get(from)?.push(to)
  const back = circles(joined, next)
  const forward = pairs.map(([from, to]) =>
    back.has(edgeKey(from, to)) ? ([to, from] as const) : ([from, to] as const),
  )
  const rank = ranks(joined, forward, first)

  // Cells of the columns: nodes, and a lane for each edge in the columns between its ends.
  const columns: number[][] = []
  const cells: Cell[] = []
  const at = new Map<string, number>()
  const put = (column: number, cell: Cell) => {
    cells.push(cell)
    columns[column] ??= []
    columns[column].push(cells.length - 1)
    return cells.length - 1
  }
  const empty = () => ({ y: 0, before: [], after: [], order: 0 })
  for (const box of joined) at.set(box.id, put(rank.get(box.id) ?? 0, { id: box.id, h: box.h, ...empty() }))
  const ways = new Map<string, number[]>()
  const join = (a: number, b: number) => {
    cells[a]?.after.push(b)
    cells[b]?.before.push(a)
  }
  for (const [from, to] of forward) {
    const way = [at.get(from) ?? 0]
    for (let column = (rank.get(from) ?? 0) + 1; column < (rank.get(to) ?? 0); column += 1)
      way.push(put(column, { h: lane, ...empty() }))
    way.push(at.get(to) ?? 0)
    for (let i = 1; i < way.length; i += 1) join(way[i - 1] as number, way[i] as number)
    ways.set(edgeKey(from, to), way)
  }
  for (let column = 0; column < columns.length; column += 1) columns[column] ??= []
  order(columns, cells)
  place(columns, cells)

  const left: number[] = []
  const widths: number[] = []
  let x = 0
  columns.forEach((column, i) => {
    const width = Math.max(0, ...column.map((cell) => known.get(cells[cell]?.id ?? '')?.w ?? 0))
    left[i] = x
    widths[i] = width
    x += width + columnGap
  })
  const nodes = new Map<string, Point>()
  for (const box of joined) {
    const cell = cells[at.get(box.id) ?? 0]
    nodes.set(box.id, { x: left[rank.get(box.id) ?? 0] ?? 0, y: cell?.y ?? 0 })
  }
  const height = Math.max(0, ...cells.map((cell) => cell.y + cell.h))
  let width = Math.max(0, x - columnGap)

  // Edges of one node leave and reach it one below the other, in the order of their other ends.
  const ports = new Map<string, number>()
  const spread = (end: 'out' | 'in') => {
    const of = new Map<number, [string, number][]>()
    for (const [key, way] of ways) {
      const own = (end === 'out' ? way[0] : way.at(-1)) as number
      const other = cells[(end === 'out' ? way[1] : way.at(-2)) as number] as Cell
      of.set(own, [...(of.get(own) ?? []), [key, other.y + other.h / 2]])
    }
    for (const [own, list] of of) {
      const cell = cells[own] as Cell
      const room = Math.min(20, (cell.h - 20) / Math.max(1, list.length))
      list
        .sort((a, b) => a[1] - b[1])
        .forEach(([key], i) => {
          ports.set(`${end} ${key}`, cell.y + cell.h / 2 + (i - (list.length - 1) / 2) * room)
        })
    }
  }
  spread('out')
  spread('in')
  const edges = new Map<string, { path: string; label: Point }>()
  for (const [from, to] of pairs) {
    const turned = back.has(edgeKey(from, to))
    const key = turned ? edgeKey(to, from) : edgeKey(from, to)
    const way = ways.get(key)
    if (way) edges.set(edgeKey(from, to), draw(way, turned, key))
  }
  apart([...edges.values()].map((edge) => edge.label))
  function draw(way: number[], turned: boolean, key: string) {
    const start = rank.get(cells[way[0] as number]?.id ?? '') ?? 0
    const points: Point[] = []
    way.forEach((index, i) => {
      const cell = cells[index] as Cell
      const port = i === 0 ? `out ${key}` : i === way.length - 1 ? `in ${key}` : ''
      const y = ports.get(port) ?? cell.y + cell.h / 2
      const l = left[start + i] ?? 0
      const w = widths[start + i] ?? 0
      const own = known.get(cell.id ?? '')?.w ?? w
      if (i > 0) points.push({ x: l, y })
      if (i < way.length - 1) points.push({ x: cell.id ? l + own : l + w, y })
    })
    const line = turned ? [...points].reverse() : points
    let path = `M${line[0]?.x},${line[0]?.y}`
    for (let i = 1; i < line.length; i += 1) {
      const a = line[i - 1] as Point
      const b = line[i] as Point
      if (a.y === b.y) path += `L${b.x},${b.y}`
      else {
        const bend = (b.x - a.x) / 2
        path += `C${a.x + bend},${a.y} ${b.x - bend},${b.y} ${b.x},${b.y}`
      }
    }
    // In the gap before the end, beyond the middle of the bend: there the edges of one node lie one below the other.
    const a = points.at(-2) as Point
    const b = points.at(-1) as Point
    return { path, label: { x: a.x + (b.x - a.x) * 0.6, y: a.y + (b.y - a.y) * 0.71 } }
  }

  // Those that nobody asks and that ask nobody: in rows below.
  const perRow = Math.max(1, Math.floor(Math.max(width, 900) / ((alone[0]?.w ?? 200) + 40)))
  let top = joined.length ? height + 64 : 0
  for (let i = 0; i < alone.length; i += perRow) {
    const row = alone.slice(i, i + perRow)
    row.forEach((box, column) => {
      nodes.set(box.id, { x: column * (box.w + 40), y: top })
      width = Math.max(width, column * (box.w + 40) + box.w)
    })
    top += Math.max(...row.map((box) => box.h)) + rowGap
  }
  return { nodes, edges, width, height: alone.length ? top - rowGap : height }
}

/** Moves labels that would lie on each other. */
function apart(labels: Point[]) {
  labels.sort((a, b) => a.x - b.x || a.y - b.y)
  for (let i = 0; i < labels.length; i += 1)
    for (let j = i + 1; j < labels.length; j += 1) {
      const a = labels[i] as Point
      const b = labels[j] as Point
      if (b.x - a.x > 110) break
      if (Math.abs(b.y - a.y) < 20) b.y = a.y + 20
    }
}

/** Edges that go back to where a path came from; they are drawn against the layers. */
function circles(boxes: Box[], next: Map<string, string[]>) {
  const back = new Set<string>()
  const state = new Map<string, 1 | 2>()
  for (const box of boxes) {
    const path: [string, number][] = state.has(box.id) ? [] : [[box.id, 0]]
    if (path.length) state.set(box.id, 1)
    while (path.length) {
      const step = path[path.length - 1] as [string, number]
      const to = next.get(step[0])?.[step[1]]
      step[1] += 1
      if (to === undefined) {
        state.set(step[0], 2)
        path.pop()
      } else if (state.get(to) === 1) back.add(edgeKey(step[0], to))
      else if (!state.has(to)) {
        state.set(to, 1)
        path.push([to, 0])
      }
    }
  }
  return back
}

/** The column of each node: as far left as those before it allow; who is asked by nobody stands right before whom it asks. */
function ranks(boxes: Box[], forward: (readonly [string, string])[], first: string | undefined) {
  const rank = new Map(boxes.map((box) => [box.id, 0]))
  const inward = new Map(boxes.map((box) => [box.id, 0]))
  const next = new Map<string, string[]>(boxes.map((box) => [box.id, []]))
  for (const [from, to] of forward) {
    inward.set(to, (inward.get(to) ?? 0) + 1)
    next.get(from)?.push(to)
  }
  const roots = boxes.filter((box) => inward.get(box.id) === 0).map((box) => box.id)
  const hasFirst = first !== undefined && rank.has(first)
  const ready = [...roots]
  for (const root of roots) if (hasFirst && root !== first) rank.set(root, 1)
  const left = new Map(inward)
  while (ready.length) {
    const id = ready.shift() as string
    for (const to of next.get(id) ?? []) {
      rank.set(to, Math.max(rank.get(to) ?? 0, (rank.get(id) ?? 0) + 1))
      left.set(to, (left.get(to) ?? 1) - 1)
      if (left.get(to) === 0) ready.push(to)
    }
  }
  for (const root of roots) {
    const after = (next.get(root) ?? []).map((to) => rank.get(to) ?? 0)
    if (root !== first && after.length) rank.set(root, Math.max(rank.get(root) ?? 0, Math.min(...after) - 1))
  }
  return rank
}

/** Fewer crossings: each cell goes to the middle of its neighbours in the column before, then in the one after. */
function order(columns: number[][], cells: Cell[]) {
  const number = (column: number[]) =>
    column.forEach((cell, i) => {
      ;(cells[cell] as Cell).order = i
    })
  columns.forEach(number)
  const sweep = (column: number[], side: 'before' | 'after') => {
    const middle = new Map<number, number>()
    for (const index of column) {
      const cell = cells[index] as Cell
      const near = cell[side]
      const sum = near.reduce((all, other) => all + (cells[other] as Cell).order, 0)
      middle.set(index, near.length ? sum / near.length : cell.order)
    }
    column.sort(
      (a, b) =>
        (middle.get(a) ?? 0) - (middle.get(b) ?? 0) || (cells[a] as Cell).order - (cells[b] as Cell).order,
    )
    number(column)
  }
  for (let round = 0; round < 8; round += 1) {
    for (const column of columns) sweep(column, 'before')
    for (const column of [...columns].reverse()) sweep(column, 'after')
  }
}

/** Heights: a column without gaps at first, then each cell towards its neighbours, as far as the others leave room. */
function place(columns: number[][], cells: Cell[]) {
  const gap = (a: Cell, b: Cell) => (a.id && b.id ? rowGap : rowGap / 2)
  const tall = columns.map((column) =>
    column.reduce((sum, cell) => sum + (cells[cell] as Cell).h + rowGap, 0),
  )
  const most = Math.max(0, ...tall)
  columns.forEach((column, i) => {
    let y = (most - (tall[i] ?? 0)) / 2
    for (const index of column) {
      const cell = cells[index] as Cell
      cell.y = y
      y += cell.h + rowGap
    }
  })
  const settle = (column: number[], side: 'before' | 'after') => {
    const wanted = column.map((index) => {
      const cell = cells[index] as Cell
      const near = cell[side].length ? cell[side] : []
      if (!near.length) return cell.y
      const middles = near
        .map((other) => (cells[other] as Cell).y + (cells[other] as Cell).h / 2)
        .sort((a, b) => a - b)
      const half = middles.length >> 1
      const middle =
        middles.length % 2
          ? (middles[half] as number)
          : ((middles[half - 1] as number) + (middles[half] as number)) / 2
      return middle - cell.h / 2
    })
    // Cells that want the same room form a block, which goes to the mean of what they want.
    const blocks: { cells: number[]; offsets: number[]; wish: number; size: number }[] = []
    column.forEach((index, i) => {
      const cell = cells[index] as Cell
      let block = { cells: [index], offsets: [0], wish: wanted[i] as number, size: cell.h }
      for (;;) {
        const last = blocks.at(-1)
        const space = last
          ? gap(cells[last.cells.at(-1) as number] as Cell, cells[block.cells[0] as number] as Cell)
          : 0
        if (!last || last.wish + last.size + space <= block.wish) break
        blocks.pop()
        const shift = last.size + space
        const n = last.cells.length
        const m = block.cells.length
        block = {
          cells: [...last.cells, ...block.cells],
          offsets: [...last.offsets, ...block.offsets.map((offset) => offset + shift)],
          wish: (last.wish * n + (block.wish - shift) * m) / (n + m),
          size: shift + block.size,
        }
      }
      blocks.push(block)
    })
    for (const block of blocks)
      block.cells.forEach((index, i) => {
        ;(cells[index] as Cell).y = block.wish + (block.offsets[i] as number)
      })
  }
  for (let round = 0; round < 4; round += 1) {
    for (const column of columns) settle(column, 'before')
    for (const column of [...columns].reverse()) settle(column, 'after')
  }
  const top = Math.min(0, ...cells.map((cell) => cell.y))
  const least = Math.min(...cells.map((cell) => cell.y), Number.POSITIVE_INFINITY)
  for (const cell of cells) cell.y = Math.round(cell.y - (Number.isFinite(least) ? least : top))
}
