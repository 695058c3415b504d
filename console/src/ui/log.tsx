/**
 * Lines that machines wrote. Only what is on screen is drawn; follows the end until the reader scrolls up, and then says
 * how many lines came since. Screen readers hear a summary now and then, not every line.
 */
import { useVirtualizer } from '@tanstack/react-virtual'
import { ArrowDownToLine, ChevronDown, ChevronRight } from 'lucide-react'
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react'
import { useI18n } from '../i18n'
import { Button } from './controls'
import { cx } from './cx'

export interface LogLine {
  /** Unique and growing within one view. */
  id: number
  at?: string | number
  text: string
  tone?: 'dim' | 'ok' | 'warn' | 'bad' | 'cmd' | 'plain'
  /** Shown before the text, such as the instance that wrote it. */
  from?: string
}

export interface LogFold {
  id: string
  title: ReactNode
  aside?: ReactNode
  lines: LogLine[]
}

type Row = { fold: LogFold; open: boolean } | { line: LogLine; number: number }

const tones: Record<NonNullable<LogLine['tone']>, string> = {
  dim: 'text-fg-3',
  ok: 'text-ok',
  warn: 'font-medium text-warn',
  bad: 'font-medium text-bad',
  cmd: 'font-semibold text-fg',
  plain: 'text-fg',
}

/** What a line is about, from its words; a guess that only chooses a colour. */
export function toneOfText(text: string): LogLine['tone'] {
  if (/\b(error|fatal|panic|exception|traceback)\b/i.test(text)) return 'bad'
  if (/\bwarn(ing)?\b/i.test(text)) return 'warn'
  return undefined
}

export function LogView({
  folds,
  lines,
  label,
  empty,
  find,
  live,
  numbers,
}: {
  folds?: LogFold[]
  lines?: LogLine[]
  label: string
  empty: ReactNode
  find?: string
  live?: boolean
  numbers?: boolean
}) {
  const { t, time } = useI18n()
  const [toggled, setToggled] = useState<Record<string, boolean>>({})
  const [follow, setFollow] = useState(true)
  const [seen, setSeen] = useState(0)
  const scroller = useRef<HTMLDivElement>(null)
  const needle = find?.toLowerCase()

  const rows = useMemo<Row[]>(() => {
    const wanted = (line: LogLine) =>
      !needle || line.text.toLowerCase().includes(needle) || line.from?.toLowerCase().includes(needle)
    if (!folds)
      return (lines ?? []).flatMap((line, index) => (wanted(line) ? [{ line, number: index + 1 }] : []))
    let number = 0
    return folds.flatMap((fold, index) => {
      const open = needle
        ? true
        : (toggled[fold.id] ??
          (fold.lines.length > 0 && (live ? index === folds.length - 1 || fold.lines.length < 400 : true)))
      const inner: Row[] = []
      for (const line of fold.lines) {
        number += 1
        if (open && wanted(line)) inner.push({ line, number })
      }
      return [{ fold, open }, ...inner]
    })
  }, [folds, lines, needle, toggled, live])
  const total = folds ? folds.reduce((sum, fold) => sum + fold.lines.length, 0) : (lines?.length ?? 0)

  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index] && 'fold' in rows[index] ? 32 : 20),
    overscan: 24,
    getItemKey: (index) => {
      const row = rows[index]
      return row && 'fold' in row ? row.fold.id : `${row?.line.id}`
    },
  })
  const last = rows.length - 1
  useEffect(() => {
    if (follow && last >= 0) virtual.scrollToIndex(last, { align: 'end' })
  }, [follow, last, virtual])
  useEffect(() => {
    if (follow) setSeen(total)
  }, [follow, total])

  // A polite summary at most every ten seconds.
  const [spoken, setSpoken] = useState({ total: 0, text: '' })
  const latest = useRef(total)
  latest.current = total
  useEffect(() => {
    if (!live) return
    const timer = setInterval(() => {
      setSpoken((old) =>
        latest.current > old.total
          ? { total: latest.current, text: t('log.newLines', { n: latest.current - old.total }) }
          : old,
      )
    }, 10_000)
    return () => clearInterval(timer)
  }, [live, t])

  return (
    <div className="relative flex min-h-0 flex-1 flex-col">
      <div
        ref={scroller}
        role="log"
        aria-label={label}
        aria-live="off"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by the keyboard.
        tabIndex={0}
        onScroll={(event) => {
          const box = event.currentTarget
          const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24
          if (atEnd !== follow) setFollow(atEnd)
        }}
        onWheel={(event) => event.deltaY < 0 && setFollow(false)}
        className="mono min-h-0 flex-1 overflow-auto bg-code leading-5 outline-offset-[-2px]"
      >
        {rows.length === 0 ? (
          <div className="p-4 font-sans text-sm text-fg-2">{empty}</div>
        ) : (
          <div className="relative w-full" style={{ height: virtual.getTotalSize() }}>
            {virtual.getVirtualItems().map((item) => {
              const row = rows[item.index]
              if (!row) return null
              return (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  className="absolute inset-x-0 top-0"
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {'fold' in row ? (
                    <button
                      type="button"
                      aria-expanded={row.open}
                      onClick={() => setToggled((old) => ({ ...old, [row.fold.id]: !row.open }))}
                      className="flex h-8 w-full items-center gap-2 border-y bg-surface px-3 font-sans text-xs outline-offset-[-2px]"
                    >
                      {row.open ? (
                        <ChevronDown size={14} aria-hidden className="text-fg-3" />
                      ) : (
                        <ChevronRight size={14} aria-hidden className="text-fg-3" />
                      )}
                      <span className="font-semibold">{row.fold.title}</span>
                      <span className="text-fg-3">{t('log.lines', { n: row.fold.lines.length })}</span>
                      <span className="num ml-auto text-fg-3">{row.fold.aside}</span>
                    </button>
                  ) : (
                    <Line row={row} numbers={numbers} time={time} needle={needle} />
                  )}
                </div>
              )
            })}
          </div>
        )}
      </div>
      {!follow && total > seen && (
        <Button
          size="sm"
          onClick={() => setFollow(true)}
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-2"
        >
          <ArrowDownToLine size={13} aria-hidden />
          {t('log.since', { n: total - seen })}
        </Button>
      )}
      <span className="sr-only" role="status">
        {spoken.text}
      </span>
    </div>
  )
}

function Line({
  row,
  numbers,
  time,
  needle,
}: {
  row: { line: LogLine; number: number }
  numbers?: boolean
  time: (at: string | number, millis?: boolean) => string
  needle?: string
}) {
  const { line } = row
  return (
    <div
      className={cx(
        'flex px-3 hover:bg-hover',
        line.tone === 'warn' && 'bg-warn-soft',
        line.tone === 'bad' && 'bg-bad-soft',
      )}
    >
      {numbers && (
        <span aria-hidden className="num w-8 shrink-0 select-none pr-3 text-right text-fg-3 max-md:hidden">
          {row.number}
        </span>
      )}
      {line.at !== undefined && (
        <span className="num w-[100px] shrink-0 select-none text-fg-3 max-md:hidden">
          {time(line.at, true)}
        </span>
      )}
      {line.from && (
        <span className="w-40 shrink-0 truncate pr-3 text-fg-2 max-md:hidden" title={line.from}>
          {line.from}
        </span>
      )}
      <span
        className={cx(
          'min-w-0 flex-1 whitespace-pre-wrap break-words',
          line.tone ? tones[line.tone] : 'text-fg-2',
        )}
      >
        {highlight(line.text, needle)}
      </span>
    </div>
  )
}

function highlight(text: string, needle?: string): ReactNode {
  const at = needle ? text.toLowerCase().indexOf(needle) : -1
  if (at < 0 || !needle) return text
  return (
    <>
      {text.slice(0, at)}
      <mark className="rounded-sm bg-accent-soft text-accent-fg">{text.slice(at, at + needle.length)}</mark>
      {text.slice(at + needle.length)}
    </>
  )
}
