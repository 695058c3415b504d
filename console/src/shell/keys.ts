/**
 * Keys of the console. Single keys are off while somebody types, inside a dialog, in the terminal, and where the person
 * switched them off (WCAG 2.1.4). A sequence is written `g o`; a chord `shift+r`, `ctrl+enter`.
 */
import { useEffect, useRef } from 'react'
import { singleKeys } from './preferences'

export type Keymap = Record<string, (event: KeyboardEvent) => void>

const maps: { current: Keymap }[] = []
let pending: { key: string; until: number } | undefined

function name(event: KeyboardEvent): string {
  const key = event.key === ' ' ? 'space' : event.key.toLowerCase()
  const chord = [event.ctrlKey || event.metaKey ? 'ctrl' : '', event.altKey ? 'alt' : '']
  // A sign such as ? already needs Shift on most layouts.
  const shifted = event.shiftKey && (key.length > 1 || /[a-z]/.test(key)) ? 'shift' : ''
  return [...chord, shifted, key].filter(Boolean).join('+')
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    (target.isContentEditable || target.closest('input, textarea, select, .xterm, [role="textbox"]') !== null)
  )
}

function handle(event: KeyboardEvent) {
  if (event.defaultPrevented || event.isComposing) return
  const pressed = name(event)
  const chord = pressed.startsWith('ctrl+')
  if (!chord && (!singleKeys() || typing(event.target))) return
  if (!chord && document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]')) return
  // Space and Enter belong to what has the focus.
  const focused = document.activeElement
  if (
    (pressed === 'space' || pressed === 'enter') &&
    focused instanceof HTMLElement &&
    focused.closest('a, button, [tabindex="0"][role]')
  )
    return
  const now = Date.now()
  const sequence = pending && pending.until > now ? `${pending.key} ${pressed}` : undefined
  pending = undefined
  for (const wanted of sequence ? [sequence, pressed] : [pressed]) {
    // The innermost page is asked first.
    for (const map of [...maps].reverse()) {
      const act = map.current[wanted]
      if (!act) continue
      event.preventDefault()
      act(event)
      return
    }
  }
  if (maps.some((map) => Object.keys(map.current).some((key) => key.startsWith(`${pressed} `))))
    pending = { key: pressed, until: now + 1200 }
}

export function useKeys(keymap: Keymap) {
  const latest = useRef(keymap)
  latest.current = keymap
  useEffect(() => {
    if (maps.length === 0) addEventListener('keydown', handle)
    maps.push(latest)
    return () => {
      maps.splice(maps.indexOf(latest), 1)
      if (maps.length === 0) removeEventListener('keydown', handle)
    }
  }, [])
}
