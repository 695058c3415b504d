/** Text that machines read, with line numbers and notes on the lines themselves. */
import { Ban, CornerDownRight, Info } from 'lucide-react'
import { type ReactNode, useEffect, useRef } from 'react'
import { cx } from './cx'

export interface LineNote {
  tone: 'adapted' | 'refused' | 'ignored'
  text: string
}

const tones = {
  adapted: 'bg-warn-soft text-warn',
  refused: 'bg-bad-soft text-bad',
  ignored: 'bg-surface text-fg-3',
} as const

export function CodeView({
  lines,
  notes,
  at,
  label,
}: {
  lines: string[]
  /** By line, from 1. */
  notes?: Map<number, LineNote>
  /** The line that was asked for, brought into sight. */
  at?: number
  label: string
}) {
  const sought = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (at !== undefined) sought.current?.scrollIntoView({ block: 'center' })
  }, [at])
  return (
    // biome-ignore lint/a11y/useSemanticElements: a region that scrolls needs a name and a tab stop.
    <div
      role="region"
      aria-label={label}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by the keyboard.
      tabIndex={0}
      className="mono h-full overflow-auto py-2.5 leading-[22px] outline-offset-[-2px]"
    >
      {lines.map((line, index) => {
        const note = notes?.get(index + 1)
        return (
          <div
            key={index}
            ref={index + 1 === at ? sought : undefined}
            aria-current={index + 1 === at ? 'location' : undefined}
            className={cx(
              index + 1 === at && 'shadow-[inset_3px_0_0_var(--color-accent)]',
              'flex w-max min-w-full px-4',
              note?.tone === 'adapted' && 'bg-warn-soft',
              note?.tone === 'refused' && 'bg-bad-soft',
            )}
          >
            <span aria-hidden className="num w-7 shrink-0 select-none text-fg-3">
              {index + 1}
            </span>
            <span className="whitespace-pre pr-6">{highlight(line)}</span>
            {note && (
              <span
                className={cx(
                  'sticky right-4 ml-auto flex items-center gap-1 whitespace-nowrap pl-3 font-sans text-2xs font-medium',
                  tones[note.tone],
                )}
              >
                {note.tone === 'adapted' ? (
                  <CornerDownRight size={11} aria-hidden />
                ) : note.tone === 'refused' ? (
                  <Ban size={11} aria-hidden />
                ) : (
                  <Info size={11} aria-hidden />
                )}
                {note.text}
              </span>
            )}
          </div>
        )
      })}
    </div>
  )
}

function highlight(line: string): ReactNode {
  const match = /^(\s*(?:- )?)("[^"]*"|[\w./-]+)(:)( .*)?$/.exec(line)
  if (!match) return line
  const value = (match[4] ?? '').split(/(\$\{[^}]+\}|"[^"]*")/)
  return (
    <>
      {match[1]}
      <span className="text-accent-fg">{match[2]}</span>
      <span className="text-fg-3">{match[3]}</span>
      {value.map((part, index) => (
        <span
          key={index}
          className={part.startsWith('${') ? 'text-idle' : part.startsWith('"') ? 'text-ok' : undefined}
        >
          {part}
        </span>
      ))}
    </>
  )
}
