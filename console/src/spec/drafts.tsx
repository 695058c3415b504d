/** Fields whose text is not yet the value while it is being typed. */
import { useState } from 'react'
import { useI18n } from '../i18n'
import { Input, TextArea } from '../ui/controls'
import type { Shape } from './shape'

type Value = unknown

export const textOf = (value: Value) =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''

/** Text that means something else than what it says: kept as typed until the field is left. */
export function useDraft(shown: string, commit: (text: string) => void) {
  const [text, setText] = useState<string>()
  return {
    value: text ?? shown,
    onChange: (event: { target: { value: string } }) => setText(event.target.value),
    onBlur: () => {
      if (text !== undefined && text !== shown) commit(text)
      setText(undefined)
    },
    onKeyDown: (event: { key: string; target: EventTarget }) => {
      if (event.key === 'Enter' && event.target instanceof HTMLInputElement) event.target.blur()
    },
  }
}

export function Command({
  control,
  value,
  onChange,
}: {
  control: { id: string }
  value: Value
  onChange: (value: Value) => void
}) {
  const draft = useDraft(Array.isArray(value) ? JSON.stringify(value) : textOf(value), (text) => {
    const trimmed = text.trim()
    if (trimmed === '') return onChange(undefined)
    if (trimmed.startsWith('['))
      try {
        const words: unknown = JSON.parse(trimmed)
        if (Array.isArray(words)) return onChange(words.map(String))
      } catch {
        // A line for the shell may begin so too.
      }
    onChange(trimmed)
  })
  return <Input {...control} mono placeholder='["node", "server.js"]' {...draft} />
}

export function Lines({
  control,
  value,
  shape,
  onChange,
}: {
  control: { id: string }
  value: Value
  shape: Shape & { t: 'list' }
  onChange: (value: Value) => void
}) {
  const list = Array.isArray(value) ? value : []
  const draft = useDraft(list.join('\n'), (text) => {
    const lines = text
      .split(/[\n,]/)
      .map((line) => line.trim())
      .filter(Boolean)
    onChange(
      lines.length ? (shape.numbers ? lines.map(Number).filter((n) => !Number.isNaN(n)) : lines) : undefined,
    )
  })
  return (
    <TextArea
      {...control}
      mono
      rows={Math.max(1, Math.min(6, list.length))}
      placeholder={shape.example}
      {...draft}
    />
  )
}

export function Json({
  control,
  value,
  onChange,
}: {
  control: { id: string }
  value: Value
  onChange: (value: Value) => void
}) {
  const { t } = useI18n()
  const [wrong, setWrong] = useState(false)
  const draft = useDraft(value === undefined ? '' : JSON.stringify(value, null, 1), (text) => {
    try {
      onChange(text.trim() ? JSON.parse(text) : undefined)
      setWrong(false)
    } catch {
      setWrong(true)
    }
  })
  return (
    <>
      <TextArea {...control} mono rows={3} placeholder="{ }" {...draft} />
      {wrong && <p className="mt-1 text-xs text-bad">{t('spec.noJson')}</p>}
    </>
  )
}
