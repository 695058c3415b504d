/**
 * The one event stream of the tab. Events patch what was read or make it stale; nothing else polls. When the stream has been
 * broken for ten seconds, or has been silent although the server sends heartbeats, the page says so and keeps the old data.
 */
import { useEffect, useState, useSyncExternalStore } from 'react'
import { base, type Place } from '../shell/place'
import { root } from './client'
import { applicationChanged, operationChanged } from './queries'
import { invalidate } from './resource'

const staleAfter = 10_000
/** Two heartbeats, and some time for a slow network. */
const silentAfter = 25_000

interface LiveState {
  stale: boolean
  /** Milliseconds since the server was last heard. */
  age: number
  reconnect: () => void
}

let source: EventSource | undefined
let lastHeard = Date.now()
let attempt = 0
let retry: ReturnType<typeof setTimeout> | undefined
let where: Place | undefined
let staleNow = false
const subscribers = new Set<() => void>()
const tell = () => {
  for (const subscriber of subscribers) subscriber()
}

function alive() {
  lastHeard = Date.now()
  attempt = 0
  if (!staleNow) return
  staleNow = false
  // What happened meanwhile may have been missed.
  invalidate('/')
  tell()
}

function connect() {
  clearTimeout(retry)
  source?.close()
  if (!where || document.hidden) return
  const here = where
  source = new EventSource(`${root}${base(here)}/events`)
  source.onopen = alive
  // Sent at once, so that a stream held up by a proxy is known for one.
  source.addEventListener('hello', alive)
  source.addEventListener('heartbeat', alive)
  source.addEventListener('application', (event) => {
    alive()
    applicationChanged(JSON.parse(event.data), here)
  })
  source.addEventListener('operation', (event) => {
    alive()
    operationChanged(JSON.parse(event.data), here)
  })
  source.onerror = () => {
    // A browser gives up for good on some answers; from then on the waiting is ours, with jitter.
    if (source?.readyState !== EventSource.CLOSED) return
    attempt += 1
    clearTimeout(retry)
    retry = setTimeout(connect, Math.min(15_000, 500 * 2 ** attempt) * (0.5 + Math.random()))
  }
}

const quiet = () => {
  const silence = Date.now() - lastHeard
  return silence > (source?.readyState === EventSource.OPEN ? silentAfter : staleAfter)
}

function watchVisibility() {
  if (document.hidden) {
    source?.close()
    return
  }
  lastHeard = Date.now()
  invalidate('/')
  connect()
}

/** Keeps the stream open while a page of the environment is shown. */
export function useLive(place: Place): LiveState {
  useEffect(() => {
    where = place
    lastHeard = Date.now()
    connect()
    document.addEventListener('visibilitychange', watchVisibility)
    const timer = setInterval(() => {
      const stale = !document.hidden && quiet()
      if (stale === staleNow) return
      staleNow = stale
      tell()
    }, 1000)
    return () => {
      clearInterval(timer)
      clearTimeout(retry)
      document.removeEventListener('visibilitychange', watchVisibility)
      source?.close()
      where = undefined
    }
  }, [place])
  const stale = useSyncExternalStore(
    (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    () => staleNow,
  )
  const [, tick] = useState(0)
  useEffect(() => {
    if (!stale) return
    const timer = setInterval(() => tick((n) => n + 1), 1000)
    return () => clearInterval(timer)
  }, [stale])
  return { stale, age: Date.now() - lastHeard, reconnect: connect }
}
