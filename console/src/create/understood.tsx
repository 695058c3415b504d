/** How the source was understood: what was sent with the report on its own lines, and the app.yaml that it becomes. */
import { Ban, Check, CornerDownRight, Info } from 'lucide-react'
import { useMemo, useState } from 'react'
import type { PlanReport, ReportRow } from '../api/types'
import { type Key, useI18n } from '../i18n'
import { CodeView, type LineNote } from '../ui/code'
import { Button } from '../ui/controls'
import { cx } from '../ui/cx'
import { Prose } from '../ui/prose'
import type { Chosen } from './source'

const result = '@result'
const weight = { refused: 0, adapted: 1, ignored: 2, kept: 3 } as const
const heavier = (a: ReportRow, b: ReportRow) =>
  (weight[a.outcome as keyof typeof weight] ?? 3) - (weight[b.outcome as keyof typeof weight] ?? 3)

export function Understood({
  plan,
  chosen,
  onBack,
}: {
  plan: PlanReport
  chosen: Chosen | undefined
  onBack: () => void
}) {
  const { t, known } = useI18n()
  const texts = plan.texts ?? []
  const [picked, setPicked] = useState<string>()
  const [at, setAt] = useState<number>()
  const shown = picked ?? texts[0]?.path ?? result
  const file = texts.find((one) => one.path === shown)
  const text = file?.text ?? plan.yaml ?? ''
  const lines = useMemo(() => text.replace(/\n$/, '').split('\n'), [text])
  const notes = useMemo(
    () => (file ? notesOf(plan, file.path, t) : notesOfResult(plan, lines, t)),
    [file, plan, lines, t],
  )
  const rows = useMemo(() => [...plan.report].sort(heavier), [plan.report])
  const errors = plan.errors.filter((error) => error.at?.line != null)
  const go = (path: string | null | undefined, line: number) => {
    const there = texts.find((one) => one.path === path) ?? texts[0]
    if (!there) return
    setPicked(there.path)
    setAt(line)
  }
  const count = (outcome: string) => plan.report.filter((row) => row.outcome === outcome).length
  return (
    <>
      <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-x-2 border-b px-4 py-1.5">
        <span className="grid h-5 w-5 shrink-0 place-items-center rounded-full bg-ok-soft text-ok">
          <Check size={12} strokeWidth={3} aria-hidden />
        </span>
        <h2 className="text-sm font-semibold">{known(`kind.${plan.detected.kind}`) ?? plan.detected.kind}</h2>
        <span className="min-w-0 flex-1 truncate text-sm text-fg-3">{whatOf(chosen, t)}</span>
        <Button size="sm" variant="ghost" onClick={onBack}>
          {t('create.another')}
        </Button>
      </div>
      {texts.length > 0 && (
        <div
          role="tablist"
          aria-label={t('create.texts')}
          className="flex shrink-0 gap-1 overflow-x-auto border-b px-3 py-1"
        >
          {[...texts.map((one) => one.path), result].map((path) => (
            <button
              key={path}
              type="button"
              role="tab"
              aria-selected={path === shown}
              tabIndex={path === shown ? 0 : -1}
              onKeyDown={(event) => {
                const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
                const all = [...texts.map((one) => one.path), result]
                const to = all[(all.indexOf(shown) + step + all.length) % all.length]
                if (!step || to === undefined) return
                event.preventDefault()
                setPicked(to)
                setAt(undefined)
                const bar = event.currentTarget.parentElement
                requestAnimationFrame(() => bar?.querySelector<HTMLElement>('[aria-selected=true]')?.focus())
              }}
              onClick={() => {
                setPicked(path)
                setAt(undefined)
              }}
              className={cx(
                'touch mono h-7 shrink-0 rounded-md px-2.5 text-xs',
                path === shown ? 'bg-accent-soft font-medium text-accent-fg' : 'text-fg-2 hover:bg-hover',
              )}
            >
              {path === result ? t('create.becomes') : path === 'pasted' ? t('create.pasted') : path}
            </button>
          ))}
        </div>
      )}
      <div className="min-h-48 flex-1 overflow-hidden">
        <CodeView
          key={shown}
          lines={lines}
          notes={notes}
          at={at}
          label={file ? (file.path === 'pasted' ? t('create.pasted') : file.path) : t('create.spec')}
        />
      </div>
      {(rows.length > 0 || errors.length > 0) && (
        <div className="max-h-64 shrink-0 overflow-auto border-t bg-sunken px-4 py-2.5 text-xs">
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <h3 className="font-semibold">{t('create.report')}</h3>
            {(['refused', 'adapted', 'ignored', 'kept'] as const).map(
              (outcome) =>
                count(outcome) > 0 && <Outcome key={outcome} outcome={outcome} n={count(outcome)} />,
            )}
            {file && <span className="text-fg-3">{t('create.unmarked')}</span>}
          </div>
          <ul className="mt-1.5 space-y-1.5">
            {errors.map((error) => (
              <li key={`${error.code}-${error.cause}`} className="flex items-start gap-2 text-fg-2">
                <LineLink line={error.at?.line} onGo={(line) => go(error.at?.file, line)} />
                <span className="min-w-0 break-words text-bad">
                  <Prose text={error.cause} />
                </span>
              </li>
            ))}
            {rows.map((row) => (
              <li key={`${row.at}-${row.message}`} className="flex items-start gap-2 text-fg-2">
                <LineLink line={texts.length ? row.line : undefined} onGo={(line) => go(row.file, line)} />
                <span className="min-w-0 break-words">
                  <Outcome outcome={row.outcome} /> <span className="mono text-fg">{row.at}</span>{' '}
                  <Prose text={row.message} />
                  {row.remedy && (
                    <span className="block text-fg-3">
                      <Prose text={row.remedy} />
                    </span>
                  )}
                </span>
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  )
}

const look = {
  kept: [Check, 'text-ok'],
  adapted: [CornerDownRight, 'text-warn'],
  refused: [Ban, 'text-bad'],
  ignored: [Info, 'text-fg-3'],
} as const

function Outcome({ outcome, n }: { outcome: string; n?: number }) {
  const { t } = useI18n()
  const one = outcome in look ? (outcome as keyof typeof look) : 'kept'
  const [Icon, tone] = look[one]
  return (
    <span className={cx('inline-flex items-center gap-1 font-medium', tone)}>
      <Icon size={12} aria-hidden />
      {n === undefined ? t(`create.outcome.${one}`) : t(`create.${one}`, { n })}
    </span>
  )
}

function LineLink({ line, onGo }: { line: number | null | undefined; onGo: (line: number) => void }) {
  const { t } = useI18n()
  if (line == null) return null
  return (
    <button
      type="button"
      onClick={() => onGo(line)}
      className="touch num min-h-6 min-w-14 shrink-0 rounded-sm text-left text-accent-fg underline underline-offset-2"
    >
      {t('spec.line', { n: line })}
    </button>
  )
}

function whatOf(chosen: Chosen | undefined, t: (key: Key) => string) {
  switch (chosen?.kind) {
    case 'git':
      return chosen.git.url
    case 'image':
      return chosen.image
    case 'archive':
      return chosen.file.name
    case 'folder':
      return chosen.folder.name
    case 'text':
      return chosen.name
    case 'url':
      return chosen.url
    case 'files':
      return chosen.files.map((file) => file.path).join(', ')
    case 'pasted':
      return t('create.pasted')
    default:
      return chosen?.sample
  }
}

type Words = (key: Key) => string

/** On the lines of what was sent. */
function notesOf(plan: PlanReport, path: string, t: Words): Map<number, LineNote> {
  const notes = new Map<number, LineNote>()
  const first = plan.texts?.[0]?.path
  const isHere = (file: string | null | undefined) => (file ?? first) === path
  for (const row of [...plan.report].sort((a, b) => heavier(b, a))) {
    if (row.line == null || row.outcome === 'kept' || !isHere(row.file)) continue
    const tone = row.outcome as LineNote['tone']
    notes.set(row.line, { tone, text: t(`create.outcome.${tone}`) })
  }
  for (const error of plan.errors)
    if (error.at?.line != null && isHere(error.at.file))
      notes.set(error.at.line, { tone: 'refused', text: t('create.note.wrong') })
  return notes
}

/** On the result, the last key of a row's path is the nearest thing. */
function notesOfResult(plan: PlanReport, lines: string[], t: Words): Map<number, LineNote> {
  const notes = new Map<number, LineNote>()
  for (const row of plan.report) {
    if (row.outcome !== 'adapted' && row.outcome !== 'refused') continue
    const key = row.at.split('.').at(-1)
    const line = lines.findIndex((text) => text.trimStart().startsWith(`${key}:`)) + 1
    if (line > 0) notes.set(line, { tone: row.outcome, text: t(`create.note.${row.outcome}`) })
  }
  return notes
}
