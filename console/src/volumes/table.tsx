/** Volumes as a table: who mounts them, what they take, and what can be done with each. */
import { Link } from '@tanstack/react-router'
import { Copy, FolderOpen, HardDrive, Link2, RotateCcw, Trash2, Unlink } from 'lucide-react'
import { useState } from 'react'
import { Problem } from '../api/problem'
import { useMay } from '../api/queries'
import type { VolumeState, VolumeSummary } from '../api/types'
import { deleteVolume, detachVolume, restoreVolume } from '../api/volumes'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Button, ButtonLink } from '../ui/controls'
import { ConfirmByName, Dialog } from '../ui/dialog'
import { Empty, ProblemLine } from '../ui/panels'
import { type State, Status } from '../ui/status'
import { toast } from '../ui/toast'
import { AttachDialog, CopyDialog } from './dialogs'

const states: Record<VolumeState, State> = {
  bound: 'running',
  kept: 'sleeping',
  leaving: 'draining',
  copying: 'deploying',
}

type Asked = { what: 'attach' | 'detach' | 'copy' | 'delete'; volume: VolumeSummary }

export function VolumesTable({ volumes, app }: { volumes: VolumeSummary[]; app?: string }) {
  const { t } = useI18n()
  const [asked, setAsked] = useState<Asked>()
  const close = () => setAsked(undefined)
  if (volumes.length === 0)
    return <Empty icon={HardDrive} title={t('volume.empty')} text={t('volume.emptyText')} />
  return (
    <>
      <div className="overflow-x-auto">
        <table className="w-full text-sm">
          <thead>
            <tr className="table-head border-y bg-sunken">
              <th className="!pl-4">{t('volume.name')}</th>
              <th>{t('volume.state')}</th>
              <th className="max-md:hidden">{t('volume.mounts')}</th>
              <th className="max-lg:hidden">{t('volume.access')}</th>
              <th className="!text-right max-lg:hidden">{t('volume.asked')}</th>
              <th className="!text-right">{t('volume.used')}</th>
              <th className="!pr-4">
                <span className="sr-only">{t('volume.actions')}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {volumes.map((volume) => (
              <Row key={volume.id} volume={volume} app={app} ask={(what) => setAsked({ what, volume })} />
            ))}
          </tbody>
        </table>
      </div>
      {asked?.what === 'attach' && <AttachDialog volume={asked.volume} app={app} onClose={close} />}
      {asked?.what === 'copy' && <CopyDialog volume={asked.volume} onClose={close} />}
      {asked?.what === 'detach' && <DetachDialog volume={asked.volume} app={app} onClose={close} />}
      {asked?.what === 'delete' && <DeleteDialog volume={asked.volume} onClose={close} />}
    </>
  )
}

function Row({
  volume,
  app,
  ask,
}: {
  volume: VolumeSummary
  app?: string
  ask: (what: Asked['what']) => void
}) {
  const { t, bytes, ago, when, utc } = useI18n()
  const place = usePlace()
  const mayFiles = useMay('volume-files:view')
  const mayConfigure = useMay('application:configure')
  const mayCopy = useMay('volume:copy')
  const mayDelete = useMay('volume:delete')
  const size = (n: number | null | undefined) => {
    if (n == null) return undefined
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
  const here = volume.used_by?.some((one) => !app || one.application === app)
  const whole = volume.state === 'bound' || volume.state === 'kept'
  const restore = () =>
    void restoreVolume(place, volume.id).then(
      () => toast('ok', t('volume.restored', { name: volume.name })),
      (thrown: unknown) => toast('bad', Problem.of(thrown).title, Problem.of(thrown).remedy),
    )
  return (
    <tr className="table-row border-t first:border-t-0">
      <td className="!pl-4">
        {volume.state === 'copying' ? (
          <span className="font-medium">{volume.name}</span>
        ) : (
          <Link
            to="/t/$team/e/$env/volumes/$volume"
            params={{ ...place, volume: volume.id }}
            className="font-medium hover:underline"
          >
            {volume.name}
          </Link>
        )}
        {!app && <div className="text-xs text-fg-3">{volume.application}</div>}
      </td>
      <td className="text-xs">
        <Status state={states[volume.state]}>{t(`volume.state.${volume.state}`)}</Status>
        {volume.ends_at && (
          <div className="mt-0.5 text-fg-3" title={utc(volume.ends_at)}>
            {t('volume.until', { when: when(volume.ends_at) })}
          </div>
        )}
      </td>
      <td className="text-xs text-fg-2 max-md:hidden">
        {volume.used_by?.length
          ? volume.used_by.map((one) => (
              <div key={`${one.application}/${one.component}${one.path}`}>
                {one.application !== app && `${one.application} `}
                {one.component} <span className="mono">{one.path}</span>
                {one.read_only && ` (${t('volume.readOnly')})`}
              </div>
            ))
          : '–'}
      </td>
      <td className="text-xs text-fg-2 max-lg:hidden">
        {volume.access === 'shared' || volume.access === 'exclusive'
          ? t(`volume.access.${volume.access}`)
          : '–'}
      </td>
      <td className="num text-right text-xs text-fg-2 max-lg:hidden">{size(volume.size) ?? '–'}</td>
      <td className="num text-right text-xs text-fg-2">
        {size(volume.bytes) ?? '–'}
        {volume.measured_at && (
          <div className="text-fg-3" title={utc(volume.measured_at)}>
            {ago(volume.measured_at)}
          </div>
        )}
      </td>
      <td className="!pr-4">
        <span className="flex justify-end gap-1">
          {volume.state === 'leaving' && (
            <Button size="sm" disabled={!mayDelete} onClick={restore}>
              <RotateCcw size={13} aria-hidden />
              {t('volume.restore')}
            </Button>
          )}
          {whole && (
            <>
              <ButtonLink
                size="sm"
                square
                variant="ghost"
                disabled={!mayFiles}
                to="/t/$team/e/$env/volumes/$volume"
                params={{ ...place, volume: volume.id }}
                aria-label={t('volume.filesOf', { name: volume.name })}
              >
                <FolderOpen size={14} aria-hidden />
              </ButtonLink>
              <Act
                icon={Link2}
                label={t('volume.attachOf', { name: volume.name })}
                off={!mayConfigure}
                act={() => ask('attach')}
              />
              {here && (
                <Act
                  icon={Unlink}
                  label={t('volume.detachOf', { name: volume.name })}
                  off={!mayConfigure}
                  act={() => ask('detach')}
                />
              )}
              <Act
                icon={Copy}
                label={t('volume.copyOf', { name: volume.name })}
                off={!mayCopy}
                act={() => ask('copy')}
              />
              {volume.state === 'kept' && (
                <Act
                  icon={Trash2}
                  label={t('volume.deleteOf', { name: volume.name })}
                  off={!mayDelete}
                  act={() => ask('delete')}
                />
              )}
            </>
          )}
        </span>
      </td>
    </tr>
  )
}

function Act({
  icon: Icon,
  label,
  off,
  act,
}: {
  icon: typeof Copy
  label: string
  off: boolean
  act: () => void
}) {
  return (
    <Button size="sm" square variant="ghost" aria-label={label} title={label} disabled={off} onClick={act}>
      <Icon size={14} aria-hidden />
    </Button>
  )
}

function DetachDialog({
  volume,
  app,
  onClose,
}: {
  volume: VolumeSummary
  app?: string
  onClose: () => void
}) {
  const { t } = useI18n()
  const place = usePlace()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const from = app ?? volume.used_by?.[0]?.application ?? ''
  const detach = async () => {
    setBusy(true)
    try {
      await detachVolume(place, volume.id, from)
      toast('ok', t('volume.detaching', { name: volume.name, app: from }))
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open onClose={onClose} title={t('volume.detachOf', { name: volume.name })}>
      <p className="text-sm text-fg-2">{t('volume.detachText', { app: from })}</p>
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex gap-2">
        <Button variant="primary" disabled={busy} onClick={() => void detach()}>
          {t('volume.detach')}
        </Button>
        <Button variant="ghost" onClick={onClose}>
          {t('common.cancel')}
        </Button>
      </div>
    </Dialog>
  )
}

function DeleteDialog({ volume, onClose }: { volume: VolumeSummary; onClose: () => void }) {
  const { t } = useI18n()
  const place = usePlace()
  return (
    <ConfirmByName
      open
      onClose={onClose}
      name={volume.name}
      title={t('volume.deleteOf', { name: volume.name })}
      action={t('volume.delete')}
      onConfirm={async () => {
        await deleteVolume(place, volume.id, volume.name)
        toast('ok', t('volume.deleted', { name: volume.name }))
        onClose()
      }}
    >
      <p>{t('volume.deleteText')}</p>
    </ConfirmByName>
  )
}
