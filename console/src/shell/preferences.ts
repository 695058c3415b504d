/** What a person prefers in this browser: theme and single keys. The language lives in `i18n`. Never part of the URL. */
import { useSyncExternalStore } from 'react'

export type Theme = 'system' | 'light' | 'dark'

const subscribers = new Set<() => void>()
const tell = () => {
  for (const subscriber of subscribers) subscriber()
}
const subscribe = (subscriber: () => void) => {
  subscribers.add(subscriber)
  return () => subscribers.delete(subscriber)
}

const system = matchMedia('(prefers-color-scheme: dark)')
const theme = (): Theme => {
  const stored = localStorage.getItem('pluvio.theme')
  return stored === 'light' || stored === 'dark' ? stored : 'system'
}
const applyTheme = () => {
  const chosen = theme()
  document.documentElement.dataset.theme =
    chosen === 'dark' || (chosen === 'system' && system.matches) ? 'dark' : 'light'
  tell()
}
system.addEventListener('change', applyTheme)

export function setTheme(next: Theme) {
  localStorage.setItem('pluvio.theme', next)
  applyTheme()
}
export const useTheme = () => useSyncExternalStore(subscribe, theme)
/** What is drawn now, for parts that cannot read CSS variables, such as the terminal. */
export const useDark = () =>
  useSyncExternalStore(subscribe, () => document.documentElement.dataset.theme === 'dark')

export const singleKeys = () => localStorage.getItem('pluvio.keys') !== 'off'
export function setSingleKeys(on: boolean) {
  localStorage.setItem('pluvio.keys', on ? 'on' : 'off')
  tell()
}
export const useSingleKeys = () => useSyncExternalStore(subscribe, singleKeys)
