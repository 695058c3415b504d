/** Short words about what was just done, at the bottom of the window; spoken politely. */
import { Check, OctagonX, X } from 'lucide-react'
import { type ReactNode, useSyncExternalStore } from 'react'
import { useI18n } from '../i18n'

export interface Toast {
  id: number
  tone: 'ok' | 'bad'
  text: ReactNode
  detail?: ReactNode
}

let toasts: Toast[] = []
let next = 0
const subscribers = new Set<() => void>()
const change = (all: Toast[]) => {
  toasts = all
  for (const subscriber of subscribers) subscriber()
}
const dismiss = (id: number) => change(toasts.filter((toast) => toast.id !== id))

export function toast(tone: Toast['tone'], text: ReactNode, detail?: ReactNode) {
  const id = next++
  change([...toasts.slice(-2), { id, tone, text, detail }])
  // A failure stays until it is read; good news leaves by itself.
  if (tone === 'ok') setTimeout(() => dismiss(id), 6000)
}

export function Toasts() {
  const { t } = useI18n()
  const all = useSyncExternalStore(
    (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    () => toasts,
  )
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-center gap-2 md:bottom-5"
    >
      {all.map((one) => (
        <div
          key={one.id}
          className="pointer-events-auto flex max-w-full items-center gap-3 rounded-xl bg-fg px-3.5 py-2.5 text-sm text-bg shadow-3 md:max-w-[520px]"
        >
          {one.tone === 'ok' ? <Check size={15} aria-hidden /> : <OctagonX size={15} aria-hidden />}
          <span className="min-w-0 break-words">
            <span className="font-medium">{one.text}</span>
            {one.detail && <span className="block text-xs">{one.detail}</span>}
          </span>
          <button
            type="button"
            aria-label={t('common.dismiss')}
            onClick={() => dismiss(one.id)}
            className="grid h-6 w-6 shrink-0 place-items-center rounded-md"
          >
            <X size={14} aria-hidden />
          </button>
        </div>
      ))}
    </div>
  )
}
