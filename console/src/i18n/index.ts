/**
 * Language of the console. The catalogue of the language in use is loaded, the other is not. `en.ts` names the keys; a key
 * that `zh.ts` lacks is a type error, which fails the build.
 */
import { createElement, Fragment, type ReactNode, useSyncExternalStore } from 'react'
import type { en } from './en'
import { type Formats, formats } from './format'
import { fill, parse } from './message'

export type Key = keyof typeof en
export type Catalogue = Record<Key, string>
export type Language = 'en' | 'zh'
type Values = Record<string, string | number>

export interface I18n extends Formats {
  language: Language
  /** A sentence with its slots filled by text. */
  t: (key: Key, values?: Values) => string
  /** The same with elements in the slots. */
  rich: (key: Key, values: Record<string, ReactNode>) => ReactNode
  /** The words for a code that came from the server, or undefined where the console has none of its own. */
  known: (key: string) => string | undefined
}

const load: Record<Language, () => Promise<Catalogue>> = {
  en: () => import('./en').then((module) => module.en),
  zh: () => import('./zh').then((module) => module.zh),
}

let current: I18n | undefined
const subscribers = new Set<() => void>()

export const preferredLanguage = (): Language =>
  document.documentElement.lang.startsWith('zh') ? 'zh' : 'en'

export async function setLanguage(language: Language, remember = true) {
  const catalogue = await load[language]()
  current = make(language, catalogue)
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  if (remember) localStorage.setItem('pluvio.language', language)
  for (const notify of subscribers) notify()
}

function make(language: Language, catalogue: Catalogue): I18n {
  const locale = language === 'zh' ? 'zh-CN' : 'en-GB'
  const plural = new Intl.PluralRules(locale)
  const number = new Intl.NumberFormat(locale)
  const filled = <V>(key: Key, values: Record<string, V | string | number>) =>
    fill<V>(parse(catalogue[key]), values, plural, number)
  return {
    language,
    ...formats(language, locale),
    t: (key, values = {}) => filled<string>(key, values).join(''),
    rich: (key, values) =>
      filled<ReactNode>(key, values as Record<string, ReactNode & {}>).map((part, index) =>
        createElement(Fragment, { key: index }, part),
      ),
    known: (key) => (key in catalogue ? filled<string>(key as Key, {}).join('') : undefined),
  }
}

export function i18n(): I18n {
  if (!current) throw new Error('a language is loaded before the first render')
  return current
}

export function useI18n(): I18n {
  return useSyncExternalStore((notify) => {
    subscribers.add(notify)
    return () => subscribers.delete(notify)
  }, i18n)
}
