/** Variables, configuration files and secrets of the component. A change is previewed, then becomes a release. */
import { FileCog, FileInput, KeyRound, Lock, Plus, Trash2, Undo2 } from 'lucide-react'
import { type FormEvent, useMemo, useRef, useState } from 'react'
import { Problem } from '../../api/problem'
import { deleteSecret, setSecret, useMay, useSecrets } from '../../api/queries'
import type { ComponentDetail, ComponentPatch } from '../../api/types'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card, Page } from '../../ui/card'
import { Button, Field, Input, Switch, TextArea } from '../../ui/controls'
import { cx } from '../../ui/cx'
import { Dialog } from '../../ui/dialog'
import { Denied, LoadingRows, ProblemLine, ProblemPanel } from '../../ui/panels'
import { Tag } from '../../ui/status'
import { toast } from '../../ui/toast'
import { useChange } from './change'
import { useApp } from './context'
import { parseDotenv } from './dotenv'

type Edits = Record<string, string | null>
type FileEdits = Record<string, { content: string; hot: boolean } | null>

export default function Environment() {
  const { component } = useApp()
  const may = useMay('application:configure')
  const [env, setEnv] = useState<Edits>({})
  const [files, setFiles] = useState<FileEdits>({})
  const patch = useMemo<ComponentPatch | undefined>(() => {
    const dirty = Object.keys(env).length + Object.keys(files).length > 0
    return dirty ? { env, files } : undefined
  }, [env, files])
  const change = useChange(patch, () => {
    setEnv({})
    setFiles({})
  })
  if (!component) return null
  return (
    <>
      <div className="min-h-0 flex-1 md:overflow-auto">
        <Page width="max-w-[1000px]">
          {!may && <Denied permission="application:configure" />}
          <Variables component={component} edits={env} onEdit={setEnv} />
          <Files component={component} edits={files} onEdit={setFiles} />
          <Secrets />
        </Page>
      </div>
      {change.bar}
      {change.dialog}
    </>
  )
}

const variable = /^[A-Za-z_][A-Za-z0-9_]*$/

function Variables({
  component,
  edits,
  onEdit,
}: {
  component: ComponentDetail
  edits: Edits
  onEdit: (edits: Edits) => void
}) {
  const { t } = useI18n()
  const may = useMay('application:configure')
  const [name, setName] = useState('')
  const [value, setValue] = useState('')
  const [importing, setImporting] = useState(false)
  const nameField = useRef<HTMLInputElement>(null)
  const known = new Map(component.env.map((row) => [row.name, row]))
  const added = Object.entries(edits).filter(([key, to]) => to !== null && !known.has(key))
  const edit = (key: string, to: string | null) => {
    const next = { ...edits }
    // What is as it was is no change.
    if (to !== null && known.get(key)?.value === to) delete next[key]
    else if (to === null && !known.has(key)) delete next[key]
    else next[key] = to
    onEdit(next)
  }
  const add = (event: FormEvent) => {
    event.preventDefault()
    if (!variable.test(name)) return
    edit(name, value)
    setName('')
    setValue('')
    nameField.current?.focus()
  }
  const row =
    'grid min-h-10 grid-cols-[minmax(0,1fr)_36px] items-center gap-x-3 gap-y-1 px-4 py-1.5 md:grid-cols-[minmax(120px,260px)_minmax(0,1fr)_110px_36px]'
  return (
    <Card
      title={t('env.title')}
      hint={t('env.hint')}
      pad={false}
      action={
        <Button size="sm" variant="ghost" onClick={() => setImporting(true)} disabled={!may}>
          <FileInput size={13} aria-hidden />
          {t('env.import')}
        </Button>
      }
    >
      <ul className="divide-y divide-line border-t">
        {component.env.map((one) => {
          const edited = edits[one.name]
          const gone = edited === null
          const mine = one.origin === 'yours'
          return (
            <li
              key={one.name}
              className={cx(row, edited !== undefined && (gone ? 'bg-bad-soft' : 'bg-accent-soft'))}
            >
              <span className={cx('mono min-w-0 break-all', gone && 'line-through')}>{one.name}</span>
              <span className="min-w-0 max-md:order-3 max-md:col-span-2">
                {mine && may ? (
                  <Input
                    mono
                    aria-label={t('env.valueOf', { name: one.name })}
                    value={edited ?? (gone ? '' : one.value)}
                    disabled={gone}
                    onChange={(event) => edit(one.name, event.target.value)}
                  />
                ) : (
                  <span className="mono break-all text-fg-2">{one.value}</span>
                )}
              </span>
              <span className="max-md:hidden">
                {one.secret ? (
                  <Tag tone="idle">
                    <Lock size={10} aria-hidden />
                    {t('env.secret')}
                  </Tag>
                ) : (
                  !mine && <Tag>{originOf(one.origin, t)}</Tag>
                )}
              </span>
              <span className="max-md:order-2">
                {mine && may && (
                  <Button
                    variant="ghost"
                    size="sm"
                    square
                    aria-label={
                      gone ? t('env.restore', { name: one.name }) : t('env.remove', { name: one.name })
                    }
                    onClick={() => edit(one.name, gone ? one.value : null)}
                  >
                    {gone ? <Undo2 size={13} aria-hidden /> : <Trash2 size={13} aria-hidden />}
                  </Button>
                )}
              </span>
            </li>
          )
        })}
        {added.map(([key, to]) => (
          <li key={key} className={cx(row, 'bg-ok-soft')}>
            <span className="mono min-w-0 break-all">{key}</span>
            <span className="min-w-0 max-md:order-3 max-md:col-span-2">
              <Input
                mono
                aria-label={t('env.valueOf', { name: key })}
                value={to ?? ''}
                onChange={(event) => edit(key, event.target.value)}
              />
            </span>
            <span className="max-md:hidden">
              <Tag tone="ok">{t('env.new')}</Tag>
            </span>
            <span className="max-md:order-2">
              <Button
                variant="ghost"
                size="sm"
                square
                aria-label={t('env.remove', { name: key })}
                onClick={() => edit(key, null)}
              >
                <Trash2 size={13} aria-hidden />
              </Button>
            </span>
          </li>
        ))}
        {component.env.length + added.length === 0 && (
          <li className="px-4 py-5 text-center text-sm text-fg-2">{t('env.none')}</li>
        )}
      </ul>
      {may && (
        <form onSubmit={add} className="flex flex-wrap items-center gap-2 border-t bg-sunken px-4 py-2.5">
          <Input
            ref={nameField}
            mono
            aria-label={t('env.name')}
            placeholder="LOG_LEVEL"
            value={name}
            onChange={(event) => setName(event.target.value)}
            aria-invalid={(name !== '' && !variable.test(name)) || undefined}
            className="md:!w-[248px]"
          />
          <Input
            mono
            aria-label={t('env.value')}
            placeholder={t('env.value')}
            value={value}
            onChange={(event) => setValue(event.target.value)}
            className="min-w-40 flex-1"
          />
          <Button type="submit" disabled={!variable.test(name)}>
            <Plus size={13} aria-hidden />
            {t('common.add')}
          </Button>
        </form>
      )}
      <ImportDialog
        open={importing}
        onClose={() => setImporting(false)}
        onImport={(values) => {
          const next = { ...edits }
          for (const [key, to] of Object.entries(values)) if (known.get(key)?.value !== to) next[key] = to
          onEdit(next)
        }}
      />
    </Card>
  )
}

function originOf(origin: string, t: ReturnType<typeof useI18n>['t']): string {
  if (origin === 'pluvio') return t('env.fromPluvio')
  if (origin.startsWith('group ')) return t('env.fromGroup', { name: origin.slice(6) })
  if (origin.startsWith('from ')) return t('env.from', { name: origin.slice(5) })
  return origin
}

function ImportDialog({
  open,
  onClose,
  onImport,
}: {
  open: boolean
  onClose: () => void
  onImport: (values: Record<string, string>) => void
}) {
  const { t } = useI18n()
  const [text, setText] = useState('')
  const { values, wrong } = useMemo(() => parseDotenv(text), [text])
  const n = Object.keys(values).length
  return (
    <Dialog open={open} onClose={onClose} title={t('env.importTitle')}>
      <p className="mb-2 text-sm text-fg-2">{t('env.importText')}</p>
      <TextArea
        mono
        rows={10}
        aria-label={t('env.importTitle')}
        placeholder={'LOG_LEVEL=info\nGREETING="Hello, world"'}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      {wrong.length > 0 && (
        <p className="mt-1 text-xs text-bad">{t('env.importWrong', { lines: wrong.join(', ') })}</p>
      )}
      <div className="mt-3 flex gap-2">
        <Button
          variant="primary"
          disabled={n === 0}
          onClick={() => {
            onImport(values)
            setText('')
            onClose()
          }}
        >
          {t('env.importDo', { n })}
        </Button>
        <Button variant="ghost" onClick={onClose}>
          {t('common.cancel')}
        </Button>
      </div>
    </Dialog>
  )
}

function Files({
  component,
  edits,
  onEdit,
}: {
  component: ComponentDetail
  edits: FileEdits
  onEdit: (edits: FileEdits) => void
}) {
  const { t } = useI18n()
  const may = useMay('application:configure')
  const [open, setOpen] = useState<{ path: string; content: string; hot: boolean; fresh: boolean }>()
  const known = new Map(component.files.map((file) => [file.path, file]))
  const paths = [...new Set([...known.keys(), ...Object.keys(edits)])].sort()
  const set = (path: string, to: FileEdits[string]) => {
    const next = { ...edits }
    if (to === null && !known.has(path)) delete next[path]
    else next[path] = to
    onEdit(next)
  }
  const undo = (path: string) => {
    const next = { ...edits }
    delete next[path]
    onEdit(next)
  }
  const pathOk = open ? /^\/[^\0]+$/.test(open.path) && !open.path.split('/').includes('..') : false
  return (
    <Card
      title={t('files.title')}
      hint={t('files.hint')}
      pad={false}
      action={
        <Button
          size="sm"
          variant="ghost"
          disabled={!may}
          onClick={() => setOpen({ path: '', content: '', hot: false, fresh: true })}
        >
          <Plus size={13} aria-hidden />
          {t('files.add')}
        </Button>
      }
    >
      <ul className="divide-y divide-line border-t">
        {paths.map((path) => {
          const edited = edits[path]
          const file = edited ?? known.get(path)
          return (
            <li
              key={path}
              className={cx(
                'flex min-h-10 items-center gap-3 px-4 py-1.5',
                edited === null
                  ? 'bg-bad-soft'
                  : edited && (known.has(path) ? 'bg-accent-soft' : 'bg-ok-soft'),
              )}
            >
              <FileCog size={14} aria-hidden className="shrink-0 text-fg-3" />
              <span className={cx('mono min-w-0 flex-1 break-all', edited === null && 'line-through')}>
                {path}
              </span>
              {file?.hot && <Tag tone="accent">{t('files.hot')}</Tag>}
              {edited !== undefined ? (
                <Button variant="ghost" size="sm" onClick={() => undo(path)}>
                  <Undo2 size={13} aria-hidden />
                  {t('files.undo')}
                </Button>
              ) : (
                file &&
                may && (
                  <>
                    <Button
                      variant="ghost"
                      size="sm"
                      onClick={() => setOpen({ path, content: file.content, hot: file.hot, fresh: false })}
                    >
                      {t('files.edit')}
                    </Button>
                    <Button
                      variant="ghost"
                      size="sm"
                      square
                      aria-label={t('env.remove', { name: path })}
                      onClick={() => set(path, null)}
                    >
                      <Trash2 size={13} aria-hidden />
                    </Button>
                  </>
                )
              )}
            </li>
          )
        })}
        {paths.length === 0 && <li className="px-4 py-5 text-center text-sm text-fg-2">{t('files.none')}</li>}
      </ul>
      <Dialog
        open={open !== undefined}
        onClose={() => setOpen(undefined)}
        title={open?.fresh ? t('files.add') : (open?.path ?? '')}
        width="md:w-[680px]"
      >
        {open && (
          <form
            className="space-y-4"
            onSubmit={(event) => {
              event.preventDefault()
              if (!pathOk) return
              set(open.path, { content: open.content, hot: open.hot })
              setOpen(undefined)
            }}
          >
            {open.fresh && (
              <Field
                label={t('files.path')}
                error={open.path && !pathOk ? t('files.pathHint') : undefined}
                hint={t('files.pathHint')}
              >
                {(control) => (
                  <Input
                    {...control}
                    mono
                    placeholder="/etc/app.toml"
                    value={open.path}
                    onChange={(event) => setOpen({ ...open, path: event.target.value })}
                  />
                )}
              </Field>
            )}
            <Field label={t('files.content')} hint={t('files.contentHint')}>
              {(control) => (
                <TextArea
                  {...control}
                  mono
                  rows={14}
                  value={open.content}
                  onChange={(event) => setOpen({ ...open, content: event.target.value })}
                />
              )}
            </Field>
            <Switch
              checked={open.hot}
              onChange={(hot) => setOpen({ ...open, hot })}
              label={t('files.hotLabel')}
              hint={t('files.hotHint')}
            />
            <div className="flex gap-2">
              <Button type="submit" variant="primary" disabled={!pathOk}>
                {t('files.keep')}
              </Button>
              <Button variant="ghost" onClick={() => setOpen(undefined)}>
                {t('common.cancel')}
              </Button>
            </div>
          </form>
        )}
      </Dialog>
    </Card>
  )
}

/** Secrets can be set and replaced, never read: the console does not get their values. */
function Secrets() {
  const { app } = useApp()
  const { t, when, utc } = useI18n()
  const place = usePlace()
  const may = useMay('secret:write')
  const secrets = useSecrets(app.name)
  const [editing, setEditing] = useState<{ name: string; fresh: boolean }>()
  const [value, setValue] = useState('')
  const [roll, setRoll] = useState(true)
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const save = async (event: FormEvent) => {
    event.preventDefault()
    if (!editing || !variable.test(editing.name)) return
    setBusy(true)
    setProblem(undefined)
    try {
      await setSecret(place, app.name, editing.name, value, roll)
      toast('ok', t('secret.saved', { name: editing.name }))
      setEditing(undefined)
      setValue('')
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  const start = (name: string, fresh: boolean) => {
    setValue('')
    setProblem(undefined)
    setEditing({ name, fresh })
  }
  return (
    <Card
      title={t('secret.title')}
      hint={t('secret.hint')}
      pad={false}
      action={
        <Button size="sm" variant="ghost" disabled={!may} onClick={() => start('', true)}>
          <Plus size={13} aria-hidden />
          {t('secret.add')}
        </Button>
      }
    >
      {secrets.problem && !secrets.data ? (
        <ProblemPanel bare problem={secrets.problem} onRetry={secrets.refresh} />
      ) : !secrets.data ? (
        <LoadingRows rows={2} />
      ) : (
        <ul className="divide-y divide-line border-t">
          {secrets.data.items.map((secret) => (
            <li key={secret.name} className="flex min-h-10 flex-wrap items-center gap-x-3 px-4 py-1.5">
              <KeyRound size={14} aria-hidden className="shrink-0 text-fg-3" />
              <span className="mono min-w-0 break-all">{secret.name}</span>
              {secret.generated && <Tag>{t('secret.generated')}</Tag>}
              <span className="num ml-auto text-xs text-fg-3" title={utc(secret.set_at)}>
                {t('secret.version', { n: secret.version, at: when(secret.set_at) })}
              </span>
              <Button variant="ghost" size="sm" disabled={!may} onClick={() => start(secret.name, false)}>
                {t('secret.replace')}
              </Button>
              <Button
                variant="ghost"
                size="sm"
                square
                disabled={!may}
                aria-label={t('env.remove', { name: secret.name })}
                onClick={() =>
                  void deleteSecret(place, app.name, secret.name).then(
                    () => toast('ok', t('secret.removed', { name: secret.name })),
                    (thrown: unknown) => toast('bad', Problem.of(thrown).title, Problem.of(thrown).cause),
                  )
                }
              >
                <Trash2 size={13} aria-hidden />
              </Button>
            </li>
          ))}
          {secrets.data.items.length === 0 && (
            <li className="px-4 py-5 text-center text-sm text-fg-2">{t('secret.none')}</li>
          )}
        </ul>
      )}
      <Dialog
        open={editing !== undefined}
        onClose={() => setEditing(undefined)}
        title={editing?.fresh ? t('secret.add') : t('secret.replaceTitle', { name: editing?.name ?? '' })}
      >
        {editing && (
          <form className="space-y-4" onSubmit={(event) => void save(event)}>
            {editing.fresh && (
              <Field
                label={t('env.name')}
                hint={t('secret.nameHint', { reference: `\${secrets.${editing.name || 'API_KEY'}}` })}
                error={editing.name && !variable.test(editing.name) ? t('env.nameWrong') : undefined}
              >
                {(control) => (
                  <Input
                    {...control}
                    mono
                    value={editing.name}
                    onChange={(event) => setEditing({ ...editing, name: event.target.value })}
                  />
                )}
              </Field>
            )}
            <Field label={t('env.value')} hint={t('secret.valueHint')}>
              {(control) => (
                <Input
                  {...control}
                  type="password"
                  autoComplete="off"
                  value={value}
                  onChange={(event) => setValue(event.target.value)}
                />
              )}
            </Field>
            <Switch checked={roll} onChange={setRoll} label={t('secret.roll')} hint={t('secret.rollHint')} />
            {problem && <ProblemLine problem={problem} />}
            <div className="flex gap-2">
              <Button
                type="submit"
                variant="primary"
                disabled={busy || !value || !variable.test(editing.name)}
              >
                {t('common.save')}
              </Button>
              <Button variant="ghost" onClick={() => setEditing(undefined)}>
                {t('common.cancel')}
              </Button>
            </div>
          </form>
        )}
      </Dialog>
    </Card>
  )
}
