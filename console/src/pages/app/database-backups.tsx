/** The backups of a database: made, downloaded, restored, deleted, and when the clock makes them. */
import { Link } from '@tanstack/react-router'
import { Database as DatabaseIcon, Download, RotateCw } from 'lucide-react'
import { useEffect, useState } from 'react'
import {
  backUp,
  backupFile,
  deleteBackup,
  removeSchedule,
  restoreBackup,
  setSchedule,
  useBackups,
} from '../../api/databases'
import { Problem } from '../../api/problem'
import { useMay } from '../../api/queries'
import type { Backup, DatabaseSummary } from '../../api/types'
import { type Key, useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card } from '../../ui/card'
import { Button, ButtonAnchor, Field, Input } from '../../ui/controls'
import { ConfirmByName, Dialog } from '../../ui/dialog'
import { Empty, ProblemLine, ProblemPanel } from '../../ui/panels'
import { type State, Status } from '../../ui/status'
import { toast } from '../../ui/toast'

/** What every part of a database's page has. */
export interface Shared {
  app: string
  path: string
  database: DatabaseSummary
  refresh: () => void
}

export const failed = (thrown: unknown) => toast('bad', Problem.of(thrown).title, Problem.of(thrown).cause)

const states: Record<Backup['state'], State> = { kept: 'succeeded', running: 'deploying', failed: 'failed' }

export function Backups(shared: Shared) {
  const { app, path, database, refresh } = shared
  const { t, when, utc, bytes } = useI18n()
  const backups = useBackups(app, database.component)
  const may = useMay('database:manage')
  const [restoring, setRestoring] = useState<Backup>()
  const [deleting, setDeleting] = useState<Backup>()
  const items = backups.data?.items
  const busy = items?.some((one) => one.state === 'running') ?? false
  const look = backups.refresh
  useEffect(() => {
    if (!busy) return
    const timer = setInterval(() => {
      look()
      refresh()
    }, 2_000)
    return () => clearInterval(timer)
  }, [busy, look, refresh])
  const now = () =>
    void backUp(path).then(() => {
      toast('ok', t('db.asked', { component: database.component }))
      refresh()
    }, failed)
  return (
    <Card
      title={t('db.backups')}
      hint={t('db.backupsHint')}
      pad={false}
      action={
        <>
          <Button size="sm" square aria-label={t('db.refresh')} onClick={backups.refresh}>
            <RotateCw size={13} aria-hidden />
          </Button>
          <Button size="sm" variant="primary" disabled={!may || !database.ready} onClick={now}>
            {t('db.backUp')}
          </Button>
        </>
      }
    >
      <Schedule {...shared} />
      {backups.problem && !items ? (
        <ProblemPanel bare problem={backups.problem} onRetry={backups.refresh} />
      ) : items?.length === 0 ? (
        <Empty icon={DatabaseIcon} title={t('db.noBackups')} text={t('db.noBackupsText')} />
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-sm">
            <thead>
              <tr className="table-head border-y bg-sunken">
                <th className="!pl-4">{t('db.state')}</th>
                <th>{t('db.when')}</th>
                <th className="max-md:hidden">{t('db.why')}</th>
                <th className="!text-right">{t('db.size')}</th>
                <th className="!pr-4" aria-label={t('db.restore')} />
              </tr>
            </thead>
            <tbody>
              {items?.map((one) => (
                <tr key={one.id} className="table-row border-t first:border-t-0">
                  <td className="!pl-4 text-xs" title={one.problem?.cause}>
                    <Status state={states[one.state]}>{t(`db.state.${one.state}` as Key)}</Status>
                  </td>
                  <td className="num text-xs text-fg-2" title={utc(one.begun_at)}>
                    {when(one.begun_at)}
                  </td>
                  <td className="text-fg-2 max-md:hidden">{t(`db.reason.${one.reason}` as Key)}</td>
                  <td className="num text-right text-xs text-fg-2">
                    {one.bytes ? `${bytes(one.bytes).value} ${bytes(one.bytes).unit}` : '–'}
                  </td>
                  <td className="!pr-4">
                    <span className="flex justify-end gap-1">
                      {one.state === 'kept' && may && (
                        <>
                          <ButtonAnchor size="sm" href={backupFile(path, one.id)} download>
                            <Download size={13} aria-hidden />
                            <span className="max-md:sr-only">{t('db.download')}</span>
                          </ButtonAnchor>
                          <Button size="sm" onClick={() => setRestoring(one)}>
                            {t('db.restore')}
                          </Button>
                        </>
                      )}
                      {one.state !== 'running' && may && (
                        <Button size="sm" variant="danger" onClick={() => setDeleting(one)}>
                          {t('db.delete')}
                        </Button>
                      )}
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {restoring && <RestoreDialog {...shared} backup={restoring} onClose={() => setRestoring(undefined)} />}
      <ConfirmByName
        open={!!deleting}
        onClose={() => setDeleting(undefined)}
        name={database.component}
        title={t('db.deleteTitle', { when: deleting ? when(deleting.begun_at) : '' })}
        action={t('db.delete')}
        onConfirm={async () => {
          if (deleting) await deleteBackup(path, deleting.id)
          setDeleting(undefined)
          refresh()
        }}
      >
        <p className="text-sm text-fg-2">{t('db.deleteText')}</p>
      </ConfirmByName>
    </Card>
  )
}

function RestoreDialog({
  path,
  database,
  backup,
  onClose,
}: Shared & { backup: Backup; onClose: () => void }) {
  const { t, when } = useI18n()
  const place = usePlace()
  const [into, setInto] = useState(database.component)
  const [confirm, setConfirm] = useState('')
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const [operation, setOperation] = useState<string>()
  const start = () => {
    setBusy(true)
    setProblem(undefined)
    restoreBackup(path, backup.id, into, confirm)
      .then(
        (asked) => setOperation(asked.id),
        (thrown: unknown) => setProblem(Problem.of(thrown)),
      )
      .finally(() => setBusy(false))
  }
  return (
    <Dialog open onClose={onClose} title={t('db.restoreTitle', { when: when(backup.begun_at) })}>
      <p className="mb-3 text-sm text-fg-2">{t('db.restoreText')}</p>
      <Field label={t('db.restoreInto')} hint={t('db.restoreIntoHint')}>
        {(control) => (
          <Input {...control} mono value={into} onChange={(event) => setInto(event.target.value)} />
        )}
      </Field>
      <Field label={t('db.restoreConfirm')} className="mt-3">
        {(control) => (
          <Input {...control} mono value={confirm} onChange={(event) => setConfirm(event.target.value)} />
        )}
      </Field>
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex gap-2">
        {operation ? (
          <Link
            to="/t/$team/e/$env/operations/$id"
            params={{ ...place, id: operation }}
            className="text-sm text-accent-fg hover:underline"
          >
            {t('db.saved')}
          </Link>
        ) : (
          <Button variant="primary" disabled={busy || !into} onClick={start}>
            {t('db.restore')}
          </Button>
        )}
      </div>
    </Dialog>
  )
}

function Schedule({ path, database, refresh }: Shared) {
  const { t } = useI18n()
  const may = useMay('application:configure')
  const [cron, setCron] = useState(database.backups?.cron ?? '0 3 * * *')
  const [keep, setKeep] = useState(database.backups?.keep || 7)
  const zone = database.backups?.time_zone
  const done = () => {
    toast('ok', t('db.saved'))
    refresh()
  }
  return (
    <div className="flex flex-wrap items-end gap-3 border-t px-4 py-3">
      <Field label={t('db.scheduleCron', { zone: zone ?? 'UTC' })}>
        {(control) => (
          <Input {...control} mono value={cron} onChange={(event) => setCron(event.target.value)} />
        )}
      </Field>
      <Field label={t('db.scheduleKeep')}>
        {(control) => (
          <Input
            {...control}
            type="number"
            min={1}
            max={1000}
            value={keep}
            onChange={(event) => setKeep(Number(event.target.value))}
          />
        )}
      </Field>
      <Button
        size="sm"
        disabled={!may}
        onClick={() =>
          void setSchedule(path, { cron, keep, time_zone: zone, keep_for: database.backups?.keep_for }).then(
            done,
            failed,
          )
        }
      >
        {t('db.scheduleSave')}
      </Button>
      {database.backups && (
        <Button size="sm" disabled={!may} onClick={() => void removeSchedule(path).then(done, failed)}>
          {t('db.scheduleOff')}
        </Button>
      )}
    </div>
  )
}
