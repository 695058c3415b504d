/** What the palette can run. A page puts in the commands of the thing in view; they leave with the page. */

import type { LucideIcon } from 'lucide-react'
import { useEffect, useSyncExternalStore } from 'react'
import type { State } from '../ui/status'

export interface Command {
  id: string
  label: string
  hint?: string
  icon?: LucideIcon
  state?: State
  keys?: string[]
  run: () => void
}

export interface Scope {
  /** The thing the commands act on, as the palette heads them. */
  name: string
  commands: Command[]
}

let scopes: Scope[] = []
const subscribers = new Set<() => void>()
const change = (next: Scope[]) => {
  scopes = next
  for (const subscriber of subscribers) subscriber()
}

export function useCommands(scope: Scope | undefined) {
  useEffect(() => {
    if (!scope) return
    change([...scopes, scope])
    return () => change(scopes.filter((other) => other !== scope))
  }, [scope])
}

export const useScopes = () =>
  useSyncExternalStore(
    (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    () => scopes,
  )
