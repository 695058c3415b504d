/** Streams of one page: the log of an operation, the log of an application. Each ends with the page that shows it. */
import { useEffect, useRef, useState } from 'react'
import { usePlace } from '../shell/place'
import { root } from './client'
import { Problem } from './problem'
import { applicationPath, operationChanged } from './queries'
import type { LogEntry, Operation, OperationLogEntry } from './types'

/** Lines that stay in memory; older ones are let go. */
const most = 20_000

/** Gathers what comes between two frames, so that a burst of lines costs one render. */
function useGathered<T>() {
  const [items, setItems] = useState<T[]>([])
  const waiting = useRef<T[]>([])
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const add = useRef((item: T) => {
    waiting.current.push(item)
    // A hidden tab draws no frames, so this is a timer.
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      const some = waiting.current
      waiting.current = []
      setItems((old) =>
        old.length + some.length > most ? [...old, ...some].slice(-most) : [...old, ...some],
      )
    }, 50)
  })
  const clear = useRef(() => {
    clearTimeout(timer.current)
    timer.current = undefined
    waiting.current = []
    setItems([])
  })
  return { items, add: add.current, clear: clear.current }
}

/**
 * An event stream that comes back. The browser tries again by itself after most failures; after some it gives up, and then
 * the waiting is ours. `wire` is called for each connection anew. The answer ends it.
 */
function stream(address: string, wire: (source: EventSource, end: () => void) => void): () => void {
  let source: EventSource | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let over = false
  const end = () => {
    over = true
    clearTimeout(retry)
    source?.close()
  }
  const open = () => {
    const one = new EventSource(address)
    source = one
    wire(one, end)
    one.addEventListener('error', () => {
      if (!over && one.readyState === EventSource.CLOSED)
        retry = setTimeout(open, 1000 + Math.random() * 1000)
    })
  }
  open()
  return end
}

/** The operation's log from its first line on, and its state on the way. */
export function useOperationLog(id: string) {
  const place = usePlace()
  const { items, add, clear } = useGathered<OperationLogEntry>()
  useEffect(() => {
    clear()
    let last = 0
    return stream(`${root}/operations/${id}/events`, (source, end) => {
      source.addEventListener('operation', (event) =>
        operationChanged(JSON.parse(event.data) as Operation, place),
      )
      source.addEventListener('log', (event) => {
        const line = JSON.parse(event.data) as OperationLogEntry
        // After a broken connection the stream may say again what was said.
        if (line.seq <= last) return
        last = line.seq
        add(line)
      })
      source.addEventListener('end', end)
    })
  }, [id, place, add, clear])
  return items
}

export interface LogQuery {
  component?: string
  instance?: string
  since?: string
  contains?: string
}

export type NumberedEntry = LogEntry & { id: number }

/** An application's lines: the last thousand, then live. `paused` holds the stream back without losing its place. */
export function useLogStream(app: string, query: LogQuery) {
  const place = usePlace()
  const { items, add, clear } = useGathered<NumberedEntry>()
  const [state, setState] = useState<'connecting' | 'live' | 'broken'>('connecting')
  const [problem, setProblem] = useState<Problem>()
  const path = applicationPath(place, app)
  const text = new URLSearchParams({ tail: '1000', follow: 'true', ...clean(query) }).toString()
  useEffect(() => {
    clear()
    setState('connecting')
    setProblem(undefined)
    let number = 0
    return stream(`${root}${path}/logs?${text}`, (source) => {
      source.onopen = () => {
        // A new connection starts from the tail again: what is shown is replaced.
        number = 0
        clear()
        setState('live')
        setProblem(undefined)
      }
      source.addEventListener('line', (event) => {
        number += 1
        add({ ...(JSON.parse(event.data) as LogEntry), id: number })
      })
      source.onerror = () => {
        setState('broken')
        setProblem(Problem.unreachable())
      }
    })
  }, [path, text, add, clear])
  return { lines: items, state, problem }
}

const clean = (query: LogQuery): Record<string, string> =>
  Object.fromEntries(Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1])))
