import { useRef } from 'react'
import { useKeys } from '../shell/keys'

/** A list that J and K walk through; each row is a link or button, so Enter does what it always does. */
export function useRowKeys(count: number) {
  const rows = useRef<(HTMLElement | null)[]>([])
  const move = (by: number) => {
    const at = rows.current.indexOf(document.activeElement as HTMLElement)
    const next = at < 0 ? (by > 0 ? 0 : count - 1) : Math.max(0, Math.min(count - 1, at + by))
    rows.current[next]?.focus()
  }
  useKeys({ j: () => move(1), k: () => move(-1) })
  return (index: number) => (element: HTMLElement | null) => {
    rows.current[index] = element
  }
}
