/** What is in no event of a team's environment, such as whether a cluster answers: asked for again and again while somebody looks. */
import { useEffect } from 'react'
import { type Resource, useResource } from './resource'

export const soon = 3_000

const asked = new Map<string, { watchers: number; timer: ReturnType<typeof setInterval> }>()

/** However many parts of a page look at it, it is asked for once. */
function again(path: string, read: () => void, pace: number) {
  const one = asked.get(path) ?? {
    watchers: 0,
    timer: setInterval(() => !document.hidden && read(), pace),
  }
  one.watchers += 1
  asked.set(path, one)
  return () => {
    one.watchers -= 1
    if (one.watchers > 0) return
    clearInterval(one.timer)
    asked.delete(path)
  }
}

/** `pace`: between two looks, in milliseconds. */
export function useAgain<T>(path: string | undefined, on = true, pace = soon): Resource<T> {
  const resource = useResource<T>(path)
  const { refresh } = resource
  useEffect(
    () => (on && path !== undefined ? again(path, refresh, pace) : undefined),
    [on, path, pace, refresh],
  )
  return resource
}
