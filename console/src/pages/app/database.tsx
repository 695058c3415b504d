/** A database: whether it is backed up, its address, its figures, backups, users and parameters. */
import { Database as DatabaseIcon, Eye, EyeOff, RotateCw, SquareTerminal } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import {
  databasePath,
  makeUser,
  removeUser,
  revealAddress,
  setParameter,
  useDatabase,
  useDatabaseUsers,
  useFigures,
} from '../../api/databases'
import { Problem } from '../../api/problem'
import { useMay } from '../../api/queries'
import type { DatabaseSummary, UserMade, UserRights } from '../../api/types'
import { type Key, useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card, Facts, Page } from '../../ui/card'
import { Button, ButtonLink, CopyButton, Field, Input, Select } from '../../ui/controls'
import { ConfirmByName } from '../../ui/dialog'
import { Denied, Empty, LoadingCards, ProblemLine, ProblemPanel } from '../../ui/panels'
import { type State, Status, Tag } from '../../ui/status'
import { toast } from '../../ui/toast'
import { useApp } from './context'
import { Backups, failed, type Shared } from './database-backups'

const engines: Record<string, string> = { postgres: 'PostgreSQL', mariadb: 'MariaDB', redis: 'Redis' }

export default function DatabasePage() {
  const { app, component } = useApp()
  const { t } = useI18n()
  if (component?.kind !== 'database')
    return (
      <Page>
        <Empty icon={DatabaseIcon} title={t('app.tab.database')} text={t('db.notReady')} />
      </Page>
    )
  return <One app={app.name} component={component.name} key={component.name} />
}

function One({ app, component }: { app: string; component: string }) {
  const database = useDatabase(app, component)
  const place = usePlace()
  const path = databasePath(place, app, component)
  if (!database.data)
    return (
      <Page>
        {database.problem ? (
          <ProblemPanel problem={database.problem} onRetry={database.refresh} />
        ) : (
          <LoadingCards cards={3} />
        )}
      </Page>
    )
  const shared = { app, path, database: database.data, refresh: database.refresh }
  return (
    <Page>
      <Protection {...shared} />
      <div className="grid gap-4 md:grid-cols-2">
        <Connection {...shared} />
        <Figures {...shared} />
      </div>
      <Backups {...shared} />
      <div className="grid gap-4 md:grid-cols-2">
        <Users {...shared} />
        <Parameters {...shared} />
      </div>
    </Page>
  )
}

const tones: Record<DatabaseSummary['protection'], State> = {
  never: 'degraded',
  'by-hand': 'degraded',
  scheduled: 'running',
  waiting: 'waiting',
  failing: 'failed',
}

/** Whether it is backed up: never a good word where there is no good backup. */
function Protection({ database }: Shared) {
  const { t, ago, when } = useI18n()
  const { protection, last_good: good, last_failed: bad, next_backup_at: next } = database
  const text = (): string => {
    if (protection === 'failing' && !good) return t('db.protection.failingNone')
    return t(`db.protection.${protection}Text` as Key, {
      component: database.component,
      ago: good ? ago(good.begun_at) : '–',
    })
  }
  return (
    <Card title={<Status state={tones[protection]}>{t(`db.protection.${protection}` as Key)}</Status>}>
      <p className="text-sm text-fg-2">
        {text()} {next && <span className="num">{t('db.next', { when: when(next) })}</span>}
      </p>
      {bad?.problem && (
        <div className="mt-2">
          <ProblemLine problem={new Problem(bad.problem)} />
        </div>
      )}
    </Card>
  )
}

function Connection({ app, path, database }: Shared) {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('instance:exec')
  const [url, setUrl] = useState<string>()
  const forward = `pluvio port-forward ${database.port}:${database.port} -a ${app} --instance ${database.instance ?? ''}`
  const shell = `pluvio database shell ${database.component} -a ${app}`
  const code = (text: string) => (
    <>
      <code className="mono min-w-0 break-all">{text}</code>
      <CopyButton text={text} />
    </>
  )
  return (
    <Card
      title={t('db.connection')}
      hint={`${engines[database.engine]} ${database.version}`}
      action={
        <ButtonLink
          size="sm"
          to="/t/$team/e/$env/apps/$app/terminal"
          params={{ ...place, app }}
          search={{ instance: database.instance ?? undefined }}
        >
          <SquareTerminal size={13} aria-hidden />
          {t('db.terminal')}
        </ButtonLink>
      }
    >
      <Facts
        items={[
          [t('db.inside'), code(`${database.host}:${database.port}`)],
          [
            t('db.address'),
            <>
              {url && code(url)}
              <Button
                size="sm"
                disabled={!may || !database.ready}
                title={t('db.revealHint')}
                onClick={() =>
                  url
                    ? setUrl(undefined)
                    : void revealAddress(path).then((answer) => setUrl(answer.url), failed)
                }
              >
                {url ? <EyeOff size={13} aria-hidden /> : <Eye size={13} aria-hidden />}
                {t(url ? 'db.hide' : 'db.reveal')}
              </Button>
            </>,
          ],
          [t('db.outside'), code(forward)],
          [t('db.shell'), code(shell)],
        ]}
      />
      {!may && <Denied permission="instance:exec" />}
    </Card>
  )
}

function Figures({ app, database }: Shared) {
  const { t, bytes, number, duration } = useI18n()
  const figures = useFigures(app, database.ready ? database.component : undefined)
  const data = figures.data
  const size = (n: number) => {
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
  const show = (value: number | null | undefined, as: (value: number) => string): ReactNode => (
    <span className="num">{value === null || value === undefined ? '–' : as(value)}</span>
  )
  return (
    <Card
      title={t('db.figures')}
      hint={t('db.figuresHint')}
      action={
        <Button size="sm" square aria-label={t('db.refresh')} onClick={figures.refresh}>
          <RotateCw size={13} aria-hidden />
        </Button>
      }
    >
      {!database.ready ? (
        <p className="text-sm text-fg-2">{t('db.notReady')}</p>
      ) : figures.problem && !data ? (
        <ProblemLine problem={figures.problem} />
      ) : (
        <>
          <Facts
            items={[
              [t('db.version'), data?.version ?? '–'],
              [t('db.up'), show(data?.uptime_seconds, (s) => duration(s * 1000))],
              [t('db.size'), show(data?.size_bytes, size)],
              [t('db.objects'), show(data?.objects, (n) => number(n))],
              [
                t('db.connections'),
                show(data?.connections, (n) => t('db.of', { n, most: data?.connections_limit ?? '–' })),
              ],
              [t('db.rate'), show(data?.per_second, (n) => number(n, 1))],
              [t('db.hits'), show(data?.hit_ratio, (n) => `${number(n * 100, 1)} %`)],
            ]}
          />
          {!!data?.slowest?.length && (
            <div className="mt-3">
              <h3 className="eyebrow mb-1">{t('db.slowest')}</h3>
              <ul className="space-y-1 text-xs">
                {data.slowest.map((one, index) => (
                  <li key={index} className="flex gap-2">
                    <span className="num shrink-0 text-fg-3">{duration(one.milliseconds)}</span>
                    <code className="mono min-w-0 truncate">{one.text || one.user}</code>
                  </li>
                ))}
              </ul>
            </div>
          )}
        </>
      )}
    </Card>
  )
}

const grantable: UserRights[] = ['read-only', 'read-write', 'owner']

function Users({ app, path, database }: Shared) {
  const { t } = useI18n()
  const users = useDatabaseUsers(app, database.ready ? database.component : undefined)
  const may = useMay('database:manage') && database.engine !== 'redis'
  const [name, setName] = useState('')
  const [rights, setRights] = useState<UserRights>('read-only')
  const [made, setMade] = useState<UserMade>()
  const [removing, setRemoving] = useState<string>()
  const [problem, setProblem] = useState<Problem>()
  const create = () => {
    setProblem(undefined)
    void makeUser(path, name, rights).then(
      (answer) => {
        setMade(answer)
        setName('')
        users.refresh()
      },
      (thrown: unknown) => setProblem(Problem.of(thrown)),
    )
  }
  return (
    <Card title={t('db.users')}>
      {!database.ready && <p className="text-sm text-fg-2">{t('db.notReady')}</p>}
      {users.problem && <ProblemLine problem={users.problem} />}
      <ul className="space-y-1.5 text-sm">
        {users.data?.items.map((user) => (
          <li key={user.name} className="flex items-center gap-2">
            <code className="mono">{user.name}</code>
            <Tag>{user.own ? t('db.own') : t(`db.rights.${user.rights}` as Key)}</Tag>
            {may && !user.own && (
              <span className="ml-auto">
                <Button size="sm" variant="danger" onClick={() => setRemoving(user.name)}>
                  {t('db.userRemove')}
                </Button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {made && (
        <div className="mt-3 rounded-md bg-sunken p-3 text-xs">
          <p className="mb-1">{t('db.userMade', { name: made.name })}</p>
          <span className="flex items-center gap-1">
            <code className="mono break-all">{made.url}</code>
            <CopyButton text={made.url} />
          </span>
        </div>
      )}
      {may && database.ready && (
        <div className="mt-3 flex flex-wrap items-end gap-3">
          <Field label={t('db.userName')}>
            {(control) => (
              <Input {...control} mono value={name} onChange={(event) => setName(event.target.value)} />
            )}
          </Field>
          <Field label={t('db.userRights')}>
            {(control) => (
              <Select
                {...control}
                value={rights}
                onChange={(event) => setRights(event.target.value as UserRights)}
              >
                {grantable.map((one) => (
                  <option key={one} value={one}>
                    {t(`db.rights.${one}` as Key)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Button size="sm" disabled={!name} onClick={create}>
            {t('db.userCreate')}
          </Button>
        </div>
      )}
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <ConfirmByName
        open={!!removing}
        onClose={() => setRemoving(undefined)}
        name={removing ?? ''}
        title={t('db.userRemoveTitle', { name: removing ?? '' })}
        action={t('db.userRemove')}
        onConfirm={async () => {
          if (removing) await removeUser(path, removing)
          setRemoving(undefined)
          users.refresh()
        }}
      >
        <p className="text-sm text-fg-2">{t('db.userRemoveText')}</p>
      </ConfirmByName>
    </Card>
  )
}

function Parameters({ path, database, refresh }: Shared) {
  const { t } = useI18n()
  const may = useMay('application:configure')
  const [name, setName] = useState('')
  const [value, setValue] = useState('')
  const [problem, setProblem] = useState<Problem>()
  const set = (which: string, to: string | null) => {
    setProblem(undefined)
    void setParameter(path, which, to).then(
      () => {
        toast('ok', t('db.saved'))
        refresh()
      },
      (thrown: unknown) => setProblem(Problem.of(thrown)),
    )
  }
  return (
    <Card title={t('db.parameters')} hint={t('db.parametersHint')}>
      {database.parameters.length === 0 && <p className="text-sm text-fg-2">{t('db.none')}</p>}
      <ul className="space-y-1.5 text-sm">
        {database.parameters.map((one) => (
          <li key={one.name} className="flex items-center gap-2">
            <code className="mono min-w-0 truncate">
              {one.name} = {one.value}
            </code>
            {!one.asked && <Tag>{t('db.byMemory')}</Tag>}
            {may && one.asked && (
              <span className="ml-auto">
                <Button size="sm" onClick={() => set(one.name, null)}>
                  {t('db.userRemove')}
                </Button>
              </span>
            )}
          </li>
        ))}
      </ul>
      {may && (
        <div className="mt-3 flex flex-wrap items-end gap-3">
          <Field label={t('db.parameterName')}>
            {(control) => (
              <Input
                {...control}
                mono
                list="known-parameters"
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          <datalist id="known-parameters">
            {database.known_parameters.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
          <Field label={t('db.parameterValue')}>
            {(control) => (
              <Input {...control} mono value={value} onChange={(event) => setValue(event.target.value)} />
            )}
          </Field>
          <Button size="sm" disabled={!name || !value} onClick={() => set(name, value)}>
            {t('db.parameterSet')}
          </Button>
        </div>
      )}
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
    </Card>
  )
}
