/** Ways to say where an application comes from: a folder or archive, a Git repository, an image. */
import {
  ClipboardPaste,
  Container,
  FileArchive,
  FolderUp,
  GitBranch,
  KeyRound,
  Layers,
  X,
} from 'lucide-react'
import { type DragEvent, type FormEvent, useRef, useState } from 'react'
import { useCredentials, useMay } from '../api/queries'
import type { GitRequest, TextFile } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input, Select } from '../ui/controls'
import { cx } from '../ui/cx'
import { CredentialDialog } from './credential'
import { type Folder, folderOfEntry, folderOfInput } from './folder'

export type SourceKind = 'paste' | 'folder' | 'git' | 'image' | 'parts'

/** What was chosen, before anything of it left the browser. */
export type Chosen =
  | { kind: 'folder'; folder: Folder; path?: string }
  | { kind: 'archive'; file: File; path?: string }
  | { kind: 'git'; git: GitRequest }
  | { kind: 'image'; image: string }
  | { kind: 'sample'; sample: string }
  /** The text of an app.yaml, and what the application is called. */
  | { kind: 'text'; text: string; name: string }
  /** A text of any kind that is understood. */
  | { kind: 'pasted'; text: string }
  | { kind: 'files'; files: TextFile[] }
  | { kind: 'url'; url: string }

export const icons = {
  paste: ClipboardPaste,
  folder: FolderUp,
  git: GitBranch,
  image: Container,
  parts: Layers,
}

export function FolderSource({
  chosen,
  onChoose,
  busy,
}: {
  chosen: Chosen | undefined
  onChoose: (chosen: Chosen | undefined) => void
  busy: boolean
}) {
  const { t, bytes } = useI18n()
  const folderInput = useRef<HTMLInputElement>(null)
  const fileInput = useRef<HTMLInputElement>(null)
  const [over, setOver] = useState(false)
  const [wrong, setWrong] = useState('')
  const [inside, setInside] = useState('')
  const archive = (file: File | undefined) => {
    if (!file) return
    if (!/\.(zip|tar|tar\.gz|tgz)$/i.test(file.name)) {
      setWrong(t('create.notArchive', { name: file.name }))
      return
    }
    setWrong('')
    onChoose({ kind: 'archive', file })
  }
  const drop = async (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    const entry = event.dataTransfer.items[0]?.webkitGetAsEntry()
    if (entry?.isDirectory) {
      setWrong('')
      onChoose({ kind: 'folder', folder: await folderOfEntry(entry as FileSystemDirectoryEntry) })
    } else archive(event.dataTransfer.files[0])
  }
  const size =
    chosen?.kind === 'folder' ? chosen.folder.size : chosen?.kind === 'archive' ? chosen.file.size : 0
  const shown = bytes(size)
  return (
    <div className="p-4">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is an extra way; the buttons inside do the same. */}
      <div
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => void drop(event)}
        className={cx(
          'flex flex-col items-center rounded-xl border border-dashed px-6 py-9 text-center',
          over ? 'border-accent bg-accent-soft' : 'border-line-3 bg-bg',
        )}
      >
        {chosen?.kind === 'folder' || chosen?.kind === 'archive' ? (
          <>
            <span className="mb-2 grid h-10 w-10 place-items-center rounded-lg bg-accent-soft text-accent-fg">
              {chosen.kind === 'folder' ? (
                <FolderUp size={19} aria-hidden />
              ) : (
                <FileArchive size={19} aria-hidden />
              )}
            </span>
            <p className="break-all text-base font-semibold">
              {chosen.kind === 'folder' ? chosen.folder.name : chosen.file.name}
            </p>
            <p className="num text-sm text-fg-2">
              {chosen.kind === 'folder' && `${t('create.files', { n: chosen.folder.files.length })}, `}
              {shown.value} {shown.unit}
            </p>
            {chosen.kind === 'folder' && chosen.folder.skipped.length > 0 && (
              <p className="mt-1 text-xs text-fg-3">
                {t('create.skipped', { names: chosen.folder.skipped.join(', ') })}
              </p>
            )}
            <Button
              size="sm"
              variant="ghost"
              className="mt-3"
              onClick={() => {
                setInside('')
                onChoose(undefined)
              }}
            >
              <X size={13} aria-hidden />
              {t('create.another')}
            </Button>
          </>
        ) : (
          <>
            <FolderUp size={26} strokeWidth={1.6} aria-hidden className="text-fg-3" />
            <p className="mt-2 text-base font-semibold">{t('create.drop')}</p>
            <p className="text-sm text-fg-2">{t('create.dropText')}</p>
            <div className="mt-4 flex flex-wrap justify-center gap-2">
              <Button variant="primary" onClick={() => folderInput.current?.click()}>
                <FolderUp size={14} aria-hidden />
                {t('create.chooseFolder')}
              </Button>
              <Button onClick={() => fileInput.current?.click()}>
                <FileArchive size={14} aria-hidden />
                {t('create.chooseArchive')}
              </Button>
            </div>
          </>
        )}
        <input
          ref={folderInput}
          type="file"
          hidden
          data-testid="folder"
          {...{ webkitdirectory: '' }}
          onChange={(event) => {
            const folder = event.target.files && folderOfInput(event.target.files)
            if (folder) onChoose({ kind: 'folder', folder })
            event.target.value = ''
          }}
        />
        <input
          ref={fileInput}
          type="file"
          hidden
          data-testid="archive"
          accept=".zip,.tar,.tgz,.gz,application/zip,application/gzip,application/x-tar"
          onChange={(event) => {
            archive(event.target.files?.[0])
            event.target.value = ''
          }}
        />
      </div>
      {wrong && (
        <p role="alert" className="mt-2 text-xs text-bad">
          {wrong}
        </p>
      )}
      {(chosen?.kind === 'folder' || chosen?.kind === 'archive') && (
        <form
          className="mt-4"
          onSubmit={(event) => {
            event.preventDefault()
            onChoose({ ...chosen, path: inside || undefined })
          }}
        >
          <Field label={t('create.inside')} hint={t('create.insideHint')}>
            {(control) => (
              <div className="flex gap-2">
                <Input
                  {...control}
                  mono
                  placeholder="docker"
                  value={inside}
                  onChange={(event) => setInside(event.target.value.trim())}
                />
                <Button type="submit" disabled={busy || inside === (chosen.path ?? '')}>
                  {t('create.see')}
                </Button>
              </div>
            )}
          </Field>
        </form>
      )}
      <p className="mt-3 text-xs text-fg-3">{t('create.folderNote')}</p>
    </div>
  )
}

export function GitSource({ onChoose, busy }: { onChoose: (chosen: Chosen) => void; busy: boolean }) {
  const { t } = useI18n()
  const credentials = useCredentials()
  const mayAdd = useMay('credential:write')
  const [git, setGit] = useState<GitRequest>({ url: '' })
  const [adding, setAdding] = useState(false)
  const change = (part: Partial<GitRequest>) => setGit((old) => ({ ...old, ...part }))
  const known = (credentials.data?.items ?? []).filter((one) => one.kind.startsWith('git'))
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (git.url.trim())
      onChoose({
        kind: 'git',
        git: Object.fromEntries(Object.entries(git).filter(([, value]) => value)) as unknown as GitRequest,
      })
  }
  return (
    <>
      <form onSubmit={submit} className="space-y-4 p-4">
        <Field label={t('create.gitUrl')} hint={t('create.gitUrlHint')}>
          {(control) => (
            <Input
              {...control}
              mono
              required
              autoFocus
              placeholder="https://github.com/you/app.git"
              value={git.url}
              onChange={(event) => change({ url: event.target.value.trim() })}
              className="h-10"
            />
          )}
        </Field>
        <div className="grid gap-4 md:grid-cols-2">
          <Field label={t('create.ref')} hint={t('create.refHint')}>
            {(control) => (
              <Input
                {...control}
                mono
                value={git.ref ?? ''}
                onChange={(event) => change({ ref: event.target.value.trim() })}
              />
            )}
          </Field>
          <Field label={t('create.path')} hint={t('create.pathHint')}>
            {(control) => (
              <Input
                {...control}
                mono
                value={git.path ?? ''}
                onChange={(event) => change({ path: event.target.value.trim() })}
              />
            )}
          </Field>
        </div>
        <Field label={t('create.credential')} hint={t('create.credentialHint')}>
          {(control) => (
            <div className="flex flex-wrap gap-2">
              <Select
                {...control}
                value={git.credential ?? ''}
                onChange={(event) => change({ credential: event.target.value || undefined })}
                className="min-w-48 flex-1"
              >
                <option value="">{t('create.noCredential')}</option>
                {known.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.name} · {one.host}
                  </option>
                ))}
              </Select>
              <Button onClick={() => setAdding(true)} disabled={!mayAdd}>
                <KeyRound size={13} aria-hidden />
                {t('create.addCredential')}
              </Button>
            </div>
          )}
        </Field>
        <Button type="submit" variant="primary" disabled={busy || !git.url}>
          {t('create.see')}
        </Button>
      </form>
      <CredentialDialog open={adding} onClose={() => setAdding(false)} kind="git-https" />
    </>
  )
}

export function ImageSource({ onChoose, busy }: { onChoose: (chosen: Chosen) => void; busy: boolean }) {
  const { t } = useI18n()
  const mayAdd = useMay('credential:write')
  const [image, setImage] = useState('')
  const [adding, setAdding] = useState(false)
  return (
    <>
      <form
        className="space-y-4 p-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (image.trim()) onChoose({ kind: 'image', image: image.trim() })
        }}
      >
        <Field label={t('create.image')} hint={t('create.imageHint')}>
          {(control) => (
            <Input
              {...control}
              mono
              required
              autoFocus
              placeholder="ghcr.io/you/app:1.4"
              value={image}
              onChange={(event) => setImage(event.target.value)}
              className="h-10"
            />
          )}
        </Field>
        <div className="flex flex-wrap gap-2">
          <Button type="submit" variant="primary" disabled={busy || !image.trim()}>
            {t('create.see')}
          </Button>
          <Button onClick={() => setAdding(true)} disabled={!mayAdd}>
            <KeyRound size={13} aria-hidden />
            {t('create.addRegistry')}
          </Button>
        </div>
      </form>
      <CredentialDialog open={adding} onClose={() => setAdding(false)} kind="registry" />
    </>
  )
}
