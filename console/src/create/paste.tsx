/** One box for whatever people have: pasted, chosen or dropped as files, or fetched from an address. */
import { ArrowUp, FilePlus2, FileUp, Plus, X } from 'lucide-react'
import { type DragEvent, type FormEvent, useRef, useState } from 'react'
import type { TextFile } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Input } from '../ui/controls'
import { cx } from '../ui/cx'
import { fileNameOf, isLaid, recognise } from './recognise'
import type { Chosen } from './source'

const largest = 1 << 20
const isArchive = (name: string) => /\.(zip|tar|tar\.gz|tgz)$/i.test(name)

export interface Sheet extends TextFile {
  /** For React: names change while they are typed. */
  id: number
}
export const emptySheets = (): Sheet[] => [{ id: 0, path: '', text: '' }]

export function PasteSource({
  sheets,
  onSheets,
  onChoose,
  busy,
}: {
  sheets: Sheet[]
  onSheets: (sheets: Sheet[]) => void
  onChoose: (chosen: Chosen) => void
  busy: boolean
}) {
  const { t } = useI18n()
  const input = useRef<HTMLInputElement>(null)
  const [at, setAt] = useState(0)
  const [over, setOver] = useState(false)
  const [wrong, setWrong] = useState('')
  const current = sheets.find((sheet) => sheet.id === at) ?? sheets[0]
  const several = sheets.length > 1
  const nameOf = (sheet: Sheet) => sheet.path.trim() || fileNameOf(sheet.text)
  const set = (id: number, part: Partial<Sheet>) =>
    onSheets(sheets.map((sheet) => (sheet.id === id ? { ...sheet, ...part } : sheet)))
  const next = () => Math.max(...sheets.map((sheet) => sheet.id)) + 1
  const add = (files: TextFile[]) => {
    const first = next()
    const added = files.map((file, index) => ({ ...file, id: first + index }))
    const kept = sheets.filter(
      (sheet) =>
        (sheet.text.trim() || sheet.path) && !added.some((one) => one.path && one.path === sheet.path),
    )
    onSheets([...kept, ...added])
    setAt(added[0]?.id ?? 0)
  }
  const remove = (id: number) => {
    const left = sheets.filter((sheet) => sheet.id !== id)
    onSheets(left.length ? left : emptySheets())
  }
  const up = (id: number) => {
    const from = sheets.findIndex((sheet) => sheet.id === id)
    const moved = [...sheets]
    const [one] = moved.splice(from, 1)
    if (one) moved.splice(from - 1, 0, one)
    onSheets(moved)
  }
  const take = async (list: FileList | null) => {
    const files = [...(list ?? [])]
    const archive = files.find((file) => isArchive(file.name))
    setWrong('')
    if (archive) return onChoose({ kind: 'archive', file: archive })
    const large = files.find((file) => file.size > largest)
    if (large) return setWrong(t('paste.tooLarge', { name: large.name }))
    const texts = await Promise.all(files.map(async (file) => ({ path: file.name, text: await file.text() })))
    const strange = texts.find(({ text }) => text.includes('\0') || text.includes('\ufffd'))
    if (strange) return setWrong(t('paste.noText', { name: strange.path }))
    if (texts.length) add(texts)
  }
  const submit = (event: FormEvent) => {
    event.preventDefault()
    const filled = sheets.filter((sheet) => sheet.text.trim())
    const [one] = filled
    if (!one) return
    if (filled.length > 1 || one.path.trim())
      return onChoose({
        kind: 'files',
        files: filled.map((sheet) => ({ path: nameOf(sheet), text: sheet.text })),
      })
    const pasted = recognise(one.text)
    if (!pasted) return
    const { as, value } = pasted
    onChoose(
      as === 'url'
        ? { kind: 'url', url: value }
        : as === 'git'
          ? { kind: 'git', git: { url: value } }
          : as === 'image'
            ? { kind: 'image', image: value }
            : { kind: 'pasted', text: value },
    )
  }
  return (
    <form
      onSubmit={submit}
      className={cx('flex min-h-0 flex-1 flex-col p-4', over && 'bg-accent-soft')}
      onDragOver={(event: DragEvent) => {
        event.preventDefault()
        setOver(true)
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event: DragEvent) => {
        event.preventDefault()
        setOver(false)
        void take(event.dataTransfer.files)
      }}
    >
      {several && (
        <ol aria-label={t('paste.files')} className="mb-2 space-y-1.5">
          {sheets.map((sheet, index) => (
            <li key={sheet.id} className="flex items-center gap-1.5">
              <Button
                size="sm"
                variant={sheet.id === current?.id ? 'primary' : undefined}
                aria-pressed={sheet.id === current?.id}
                onClick={() => setAt(sheet.id)}
              >
                {t('paste.show', { n: index + 1 })}
              </Button>
              <Input
                mono
                aria-label={t('paste.name', { n: index + 1 })}
                placeholder={fileNameOf(sheet.text)}
                value={sheet.path}
                onChange={(event) => set(sheet.id, { path: event.target.value })}
                className="max-w-72"
              />
              {index > 0 && isLaid(nameOf(sheet)) && (
                <Button
                  size="sm"
                  variant="ghost"
                  square
                  aria-label={t('paste.up', { name: nameOf(sheet) })}
                  onClick={() => up(sheet.id)}
                >
                  <ArrowUp size={13} aria-hidden />
                </Button>
              )}
              <Button
                size="sm"
                variant="ghost"
                square
                aria-label={t('spec.removeOne', { name: nameOf(sheet) })}
                onClick={() => remove(sheet.id)}
              >
                <X size={13} aria-hidden />
              </Button>
            </li>
          ))}
        </ol>
      )}
      <textarea
        aria-label={several && current ? nameOf(current) : t('paste.box')}
        // biome-ignore lint/a11y/noAutofocus: the page asks one question, and this is where it is answered.
        autoFocus
        spellCheck={false}
        placeholder={t('paste.example')}
        value={current?.text ?? ''}
        onChange={(event) => current && set(current.id, { text: event.target.value })}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
            event.currentTarget.form?.requestSubmit()
        }}
        className="mono min-h-64 w-full flex-1 resize-y rounded-lg border border-line-3 bg-code p-3 leading-[22px]"
      />
      {wrong && (
        <p role="alert" className="mt-2 text-xs text-bad">
          {wrong}
        </p>
      )}
      <p className="mt-2 text-xs text-fg-3">{several ? t('paste.order') : t('paste.hint')}</p>
      <div className="mt-3 flex flex-wrap gap-2">
        <Button type="submit" variant="primary" disabled={busy || !sheets.some((sheet) => sheet.text.trim())}>
          {t('create.see')}
        </Button>
        <Button onClick={() => input.current?.click()}>
          <FileUp size={14} aria-hidden />
          {t('paste.choose')}
        </Button>
        <Button
          onClick={() => add([{ path: '.env', text: '' }])}
          disabled={sheets.some((s) => s.path === '.env')}
        >
          <FilePlus2 size={14} aria-hidden />
          {t('paste.addEnv')}
        </Button>
        <Button
          variant="ghost"
          onClick={() => {
            const id = next()
            onSheets([...sheets, { id, path: '', text: '' }])
            setAt(id)
          }}
        >
          <Plus size={14} aria-hidden />
          {t('paste.another')}
        </Button>
      </div>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        data-testid="texts"
        onChange={(event) => {
          void take(event.target.files)
          event.target.value = ''
        }}
      />
    </form>
  )
}
