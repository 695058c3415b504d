/** One volume and its files: looked at, downloaded, uploaded, removed. The folder in view is in the address. */
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { CornerLeftUp, Download, File, FileSymlink, Folder, FolderPlus, Trash2, Upload } from 'lucide-react'
import { type FormEvent, useRef, useState } from 'react'
import { Problem } from '../api/problem'
import { useMay } from '../api/queries'
import type { FileEntry } from '../api/types'
import {
  downloadPath,
  makeFolder,
  readText,
  removeFile,
  uploadFile,
  useFolder,
  useVolume,
} from '../api/volumes'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Card, Page } from '../ui/card'
import { Button, ButtonAnchor, Field, Input } from '../ui/controls'
import { ConfirmByName, Dialog } from '../ui/dialog'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'
import { toast } from '../ui/toast'

/** So much of a file is shown as text. */
const shown = 256 << 10

export default function Volume() {
  const { t } = useI18n()
  const place = usePlace()
  const { volume: id = '' } = useParams({ strict: false }) as { volume?: string }
  const { path = '' } = useSearch({ strict: false }) as { path?: string }
  const may = useMay('volume-files:view')
  const volume = useVolume(id)
  const crumbs = [
    place.env,
    <Link key="volumes" to="/t/$team/e/$env/volumes" params={place} className="hover:text-fg">
      {t('nav.volumes')}
    </Link>,
    <h1 key="volume">{volume.data?.name ?? id}</h1>,
  ]
  return (
    <>
      <Top crumbs={crumbs} />
      <Page width="max-w-[1240px]">
        {volume.problem ? (
          <ProblemPanel problem={volume.problem} onRetry={volume.refresh} />
        ) : may ? (
          <Files id={id} path={path} />
        ) : (
          <Denied permission="volume-files:view" />
        )}
      </Page>
    </>
  )
}

function Files({ id, path }: { id: string; path: string }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const mayWrite = useMay('volume-files:write')
  const folder = useFolder(id, path)
  const [making, setMaking] = useState(false)
  const [removing, setRemoving] = useState<FileEntry>()
  const [viewing, setViewing] = useState<FileEntry>()
  const [replacing, setReplacing] = useState<globalThis.File>()
  const picker = useRef<HTMLInputElement>(null)
  const inside = (name: string) => (path ? `${path}/${name}` : name)
  const go = (to: string) =>
    void navigate({
      to: '/t/$team/e/$env/volumes/$volume',
      params: { ...place, volume: id },
      search: { path: to || undefined },
    })
  const send = async (file: globalThis.File, replace: boolean) => {
    try {
      await uploadFile(place, id, inside(file.name), file, replace)
      toast('ok', t('file.uploaded', { name: file.name }))
    } catch (thrown) {
      const problem = Problem.of(thrown)
      if (!replace && folder.data?.entries.some((one) => one.name === file.name && one.kind === 'file'))
        setReplacing(file)
      else toast('bad', problem.title, problem.cause)
    }
  }
  const parts = path.split('/').filter(Boolean)
  return (
    <Card
      pad={false}
      title={
        <span className="mono text-xs font-normal">
          <button type="button" className="touch hover:underline" onClick={() => go('')}>
            /
          </button>
          {parts.map((part, index) => (
            <span key={parts.slice(0, index + 1).join('/')}>
              {index > 0 && '/'}
              <button
                type="button"
                className="touch hover:underline"
                onClick={() => go(parts.slice(0, index + 1).join('/'))}
              >
                {part}
              </button>
            </span>
          ))}
        </span>
      }
      action={
        <>
          <ButtonAnchor size="sm" href={downloadPath(place, id, path)} download>
            <Download size={13} aria-hidden />
            {t('file.downloadFolder')}
          </ButtonAnchor>
          <Button size="sm" disabled={!mayWrite} onClick={() => setMaking(true)}>
            <FolderPlus size={13} aria-hidden />
            {t('file.newFolder')}
          </Button>
          <Button size="sm" disabled={!mayWrite} onClick={() => picker.current?.click()}>
            <Upload size={13} aria-hidden />
            {t('file.upload')}
          </Button>
          <input
            ref={picker}
            type="file"
            hidden
            aria-label={t('file.upload')}
            onChange={(event) => {
              const file = event.target.files?.[0]
              event.target.value = ''
              if (file) void send(file, false)
            }}
          />
        </>
      }
    >
      {folder.problem ? (
        <ProblemPanel bare problem={folder.problem} onRetry={folder.refresh} />
      ) : !folder.data ? (
        <LoadingRows rows={6} />
      ) : (
        <>
          {path && (
            <button
              type="button"
              className="touch flex h-9 w-full items-center gap-2 border-t px-4 text-left text-sm text-fg-2 hover:bg-hover"
              onClick={() => go(parts.slice(0, -1).join('/'))}
            >
              <CornerLeftUp size={14} aria-hidden />
              {t('file.up')}
            </button>
          )}
          {folder.data.entries.length === 0 ? (
            <Empty icon={Folder} title={t('file.empty')} text={t('file.emptyText')} />
          ) : (
            <Entries
              entries={folder.data.entries}
              leftOut={folder.data.left_out}
              href={(name) => downloadPath(place, id, inside(name))}
              open={(entry) => (entry.kind === 'folder' ? go(inside(entry.name)) : setViewing(entry))}
              remove={mayWrite ? setRemoving : undefined}
            />
          )}
        </>
      )}
      {making && (
        <NewFolder onClose={() => setMaking(false)} make={(name) => makeFolder(place, id, inside(name))} />
      )}
      {viewing && (
        <View id={id} path={inside(viewing.name)} entry={viewing} onClose={() => setViewing(undefined)} />
      )}
      {removing && (
        <ConfirmByName
          open
          name={removing.name}
          title={t('file.removeOf', { name: removing.name })}
          action={t('file.remove')}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            await removeFile(place, id, inside(removing.name))
            setRemoving(undefined)
          }}
        >
          <p>{t(removing.kind === 'folder' ? 'file.removeFolderText' : 'file.removeText')}</p>
        </ConfirmByName>
      )}
      {replacing && (
        <Dialog
          open
          onClose={() => setReplacing(undefined)}
          title={t('file.replaceOf', { name: replacing.name })}
        >
          <p className="text-sm text-fg-2">{t('file.replaceText')}</p>
          <div className="mt-4 flex gap-2">
            <Button
              variant="danger"
              onClick={() => {
                void send(replacing, true)
                setReplacing(undefined)
              }}
            >
              {t('file.replace')}
            </Button>
            <Button variant="ghost" onClick={() => setReplacing(undefined)}>
              {t('common.cancel')}
            </Button>
          </div>
        </Dialog>
      )}
    </Card>
  )
}

const icons = { folder: Folder, file: File, link: FileSymlink, other: File }

function Entries({
  entries,
  leftOut,
  href,
  open,
  remove,
}: {
  entries: FileEntry[]
  leftOut: number
  href: (name: string) => string
  open: (entry: FileEntry) => void
  remove: ((entry: FileEntry) => void) | undefined
}) {
  const { t, bytes, when, utc } = useI18n()
  const size = (n: number) => {
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm">
        <thead>
          <tr className="table-head border-y bg-sunken">
            <th className="!pl-4">{t('file.name')}</th>
            <th className="!text-right">{t('file.size')}</th>
            <th className="max-md:hidden">{t('file.changed')}</th>
            <th className="max-md:hidden">{t('file.owner')}</th>
            <th className="!pr-4">
              <span className="sr-only">{t('volume.actions')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => {
            const Icon = icons[entry.kind]
            const opens = entry.kind === 'folder' || entry.kind === 'file'
            return (
              <tr key={entry.name} className="table-row border-t first:border-t-0">
                <td className="!pl-4">
                  <span className="flex min-w-0 items-center gap-2">
                    <Icon size={14} aria-hidden className="shrink-0 text-fg-3" />
                    {opens ? (
                      <button
                        type="button"
                        className="touch truncate text-left hover:underline"
                        onClick={() => open(entry)}
                      >
                        {entry.name}
                      </button>
                    ) : (
                      <span className="truncate">
                        {entry.name}
                        {entry.target && <span className="text-fg-3"> → {entry.target}</span>}
                      </span>
                    )}
                  </span>
                </td>
                <td className="num text-right text-xs text-fg-2">
                  {entry.kind === 'file' ? size(entry.size) : '–'}
                </td>
                <td
                  className="num text-xs text-fg-2 max-md:hidden"
                  title={entry.modified ? utc(entry.modified) : undefined}
                >
                  {entry.modified ? when(entry.modified) : '–'}
                </td>
                <td className="mono text-xs text-fg-2 max-md:hidden">
                  {entry.user}:{entry.group} {entry.mode}
                </td>
                <td className="!pr-4">
                  <span className="flex justify-end gap-1">
                    {opens && (
                      <ButtonAnchor
                        size="sm"
                        square
                        variant="ghost"
                        href={href(entry.name)}
                        download
                        aria-label={t('file.downloadOf', { name: entry.name })}
                      >
                        <Download size={14} aria-hidden />
                      </ButtonAnchor>
                    )}
                    <Button
                      size="sm"
                      square
                      variant="ghost"
                      disabled={!remove}
                      aria-label={t('file.removeOf', { name: entry.name })}
                      onClick={() => remove?.(entry)}
                    >
                      <Trash2 size={14} aria-hidden />
                    </Button>
                  </span>
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
      {leftOut > 0 && (
        <p className="border-t px-4 py-2 text-xs text-fg-3">{t('file.leftOut', { n: leftOut })}</p>
      )}
    </div>
  )
}

function NewFolder({ onClose, make }: { onClose: () => void; make: (name: string) => Promise<unknown> }) {
  const { t } = useI18n()
  const [name, setName] = useState('')
  const [problem, setProblem] = useState<Problem>()
  const send = async (event: FormEvent) => {
    event.preventDefault()
    try {
      await make(name)
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    }
  }
  return (
    <Dialog open onClose={onClose} title={t('file.newFolder')}>
      <form onSubmit={(event) => void send(event)} className="space-y-3">
        <Field label={t('file.name')}>
          {(control) => (
            <Input {...control} mono value={name} onChange={(event) => setName(event.target.value)} />
          )}
        </Field>
        {problem && <ProblemLine problem={problem} />}
        <Button type="submit" variant="primary" disabled={!name || name.includes('/')}>
          {t('file.make')}
        </Button>
      </form>
    </Dialog>
  )
}

/** The beginning of a file, if it is text; asked for when somebody asks to see it, since each reading is recorded. */
function View({
  id,
  path,
  entry,
  onClose,
}: {
  id: string
  path: string
  entry: FileEntry
  onClose: () => void
}) {
  const { t } = useI18n()
  const place = usePlace()
  const [text, setText] = useState<string>()
  const [problem, setProblem] = useState<Problem>()
  const [asked, setAsked] = useState(false)
  if (!asked) {
    setAsked(true)
    readText(place, id, path, shown).then(setText, (thrown: unknown) => setProblem(Problem.of(thrown)))
  }
  const binary = text?.includes('\0') || text?.includes('\ufffd')
  return (
    <Dialog open onClose={onClose} title={entry.name} width="md:w-[860px]">
      {problem ? (
        <ProblemLine problem={problem} />
      ) : text === undefined ? (
        <LoadingRows rows={4} />
      ) : binary ? (
        <p className="text-sm text-fg-2">{t('file.binary')}</p>
      ) : (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
          <pre tabIndex={0} className="mono max-h-[60vh] overflow-auto rounded-md bg-sunken p-3 text-xs">
            {text || t('file.nothing')}
          </pre>
          {entry.size > shown && <p className="mt-2 text-xs text-fg-3">{t('file.beginning')}</p>}
        </>
      )}
      <div className="mt-4 flex gap-2">
        <ButtonAnchor href={downloadPath(place, id, path)} download>
          <Download size={13} aria-hidden />
          {t('file.download')}
        </ButtonAnchor>
        <Button variant="ghost" onClick={onClose}>
          {t('common.close')}
        </Button>
      </div>
    </Dialog>
  )
}
