/**
 * What was read from the server, kept by path and shared by every part of the page that shows it. An event of the live
 * stream makes paths stale; those on screen are read again, at most once a frame, and the old data stays until then.
 */
import { useCallback, useEffect, useSyncExternalStore } from 'react'
import { ask } from './client'
import { Problem } from './problem'

export interface Resource<T> {
  data: T | undefined
  problem: Problem | undefined
  etag: string | undefined
  /** When `data` came, in milliseconds since the epoch. */
  at: number
  loading: boolean
  refresh: () => void
}

interface Entry {
  data: unknown
  etag: string | undefined
  problem: Problem | undefined
  at: number
  stale: boolean
  pending: boolean
  again: boolean
  /** Grows whenever an event or a write put data here. */
  version: number
  watchers: Set<() => void>
  snapshot: object
}

const entries = new Map<string, Entry>()
/** Read again when shown anew after this long, even without an event. */
const fresh = 2_000

function entry(path: string): Entry {
  let found = entries.get(path)
  if (!found) {
    found = {
      data: undefined,
      etag: undefined,
      problem: undefined,
      at: 0,
      stale: true,
      pending: false,
      again: false,
      version: 0,
      watchers: new Set(),
      snapshot: {},
    }
    entries.set(path, found)
  }
  return found
}

const touched = new Set<Entry>()
let frame = 0
function tell(one: Entry) {
  one.snapshot = {}
  touched.add(one)
  // A hidden tab draws no frames; it is told at once, which costs nothing there.
  if (document.hidden) return flush()
  frame ||= requestAnimationFrame(flush)
}
function flush() {
  cancelAnimationFrame(frame)
  frame = 0
  const all = [...touched]
  touched.clear()
  for (const one of all) for (const watcher of one.watchers) watcher()
}

async function read(path: string): Promise<void> {
  const one = entry(path)
  if (one.pending) {
    one.again = true
    return
  }
  one.pending = true
  one.stale = false
  try {
    const { version } = one
    const answer = await ask<unknown>('GET', path)
    // An event that came meanwhile may be newer than this answer; the next one is not older.
    if (one.version !== version) one.again = true
    else one.data = answer.data
    one.etag = answer.etag
    one.problem = undefined
    one.at = Date.now()
  } catch (thrown) {
    one.problem = Problem.of(thrown)
    // What is gone or may not be seen must not linger on the screen; what cannot be reached may.
    if (one.problem.status >= 400 && one.problem.status < 500) one.data = undefined
  }
  one.pending = false
  tell(one)
  // Nothing was heard: asked again by itself while somebody looks at it.
  if (one.problem?.code === 'unreachable' && one.watchers.size)
    setTimeout(() => one.watchers.size && !one.pending && void read(path), 2000)
  if (one.again) {
    one.again = false
    void read(path)
  }
}

/** Marks everything that starts with a prefix stale; what is on screen is read again. */
export function invalidate(prefix: string) {
  for (const [path, one] of entries) {
    if (!path.startsWith(prefix)) continue
    one.stale = true
    if (one.watchers.size) void read(path)
  }
}

/** Puts data that came by another way (an event, the answer of a write) in the place of what was read. */
export function place<T>(path: string, change: (old: T | undefined) => T | undefined) {
  const one = entry(path)
  const next = change(one.data as T | undefined)
  if (next === one.data) return
  one.data = next
  one.version += 1
  one.problem = undefined
  one.at = Date.now()
  tell(one)
}

/** Forgets everything: another person may sign in next. */
export function forget() {
  for (const one of entries.values()) {
    one.data = undefined
    one.stale = true
    tell(one)
  }
}

export function useResource<T>(path: string | undefined): Resource<T> {
  const subscribe = useCallback(
    (watcher: () => void) => {
      if (path === undefined) return () => {}
      const one = entry(path)
      one.watchers.add(watcher)
      return () => {
        one.watchers.delete(watcher)
      }
    },
    [path],
  )
  useSyncExternalStore(subscribe, () => (path === undefined ? nothing : entry(path).snapshot))
  useEffect(() => {
    if (path === undefined) return
    const one = entry(path)
    if (!one.pending && (one.stale || Date.now() - one.at > fresh)) void read(path)
  }, [path])
  const refresh = useCallback(() => {
    if (path !== undefined) void read(path)
  }, [path])
  const one = path === undefined ? undefined : entry(path)
  return {
    data: one?.data as T | undefined,
    problem: one?.problem,
    etag: one?.etag,
    at: one?.at ?? 0,
    loading: one !== undefined && one.data === undefined && one.problem === undefined,
    refresh,
  }
}
const nothing = {}
