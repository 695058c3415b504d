/** A database with one click: engine, name, and the application it belongs to, one that is there or a new one. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Database } from 'lucide-react'
import { useId, useState } from 'react'
import { addDatabase } from '../api/databases'
import { Problem } from '../api/problem'
import { deploy, useApplications, useMay } from '../api/queries'
import type { Spec } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Card, Page } from '../ui/card'
import { Button, Field, Input, Select } from '../ui/controls'
import { Denied, ProblemLine } from '../ui/panels'

/** Those that are made without a registry. With one, any version goes into `app.yaml`. */
const versions = ['postgres@17', 'postgres@15', 'mariadb@11.8', 'mariadb@10.11', 'redis@8.0', 'redis@7.0']
const titles: Record<string, string> = { postgres: 'PostgreSQL', mariadb: 'MariaDB', redis: 'Redis' }

export default function CreateDatabase() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { app: given } = useSearch({ strict: false }) as { app?: string }
  const applications = useApplications()
  const may = useMay('application:deploy')
  const list = useId()
  const [database, setDatabase] = useState('postgres@17')
  const [name, setName] = useState('db')
  const [app, setApp] = useState(given ?? '')
  const [daily, setDaily] = useState(true)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const there = applications.data?.some((one) => one.name === app)

  const make = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const spec = {
        name: app,
        components: {
          [name]: {
            kind: 'database',
            database,
            backups: daily ? { schedule: '0 3 * * *', keep: 7 } : undefined,
          },
        },
      } as unknown as Spec
      const operation = there
        ? await addDatabase(place, app, name, database, daily)
        : await deploy(place, app, { spec, create_only: true })
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
      setBusy(false)
    }
  }
  return (
    <>
      <Top
        crumbs={[
          <Link key="create" to="/t/$team/e/$env/create" params={place} className="hover:text-fg">
            {t('nav.create')}
          </Link>,
          t('db.create'),
        ]}
      />
      <Page width="max-w-[640px]">
        <h1 className="text-2xl tracking-[-0.02em]">{t('db.createTitle')}</h1>
        <p className="text-base text-fg-2">{t('db.createText')}</p>
        <Card>
          <div className="space-y-4">
            <Field label={t('db.createEngine')}>
              {(control) => (
                <Select {...control} value={database} onChange={(event) => setDatabase(event.target.value)}>
                  {versions.map((one) => (
                    <option key={one} value={one}>
                      {titles[one.split('@')[0] ?? '']} {one.split('@')[1]}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label={t('db.createName')}>
              {(control) => (
                <Input {...control} mono value={name} onChange={(event) => setName(event.target.value)} />
              )}
            </Field>
            <Field label={t('db.createApp')} hint={t('db.createAppHint')}>
              {(control) => (
                <Input
                  {...control}
                  mono
                  list={list}
                  value={app}
                  onChange={(event) => setApp(event.target.value)}
                />
              )}
            </Field>
            <datalist id={list}>
              {applications.data?.map((one) => (
                <option key={one.name} value={one.name} />
              ))}
            </datalist>
            <label className="flex items-center gap-2 text-sm">
              <input type="checkbox" checked={daily} onChange={(event) => setDaily(event.target.checked)} />
              {t('db.createDaily')}
            </label>
            {problem && <ProblemLine problem={problem} />}
            {!may && <Denied permission="application:deploy" />}
            <Button variant="primary" disabled={busy || !may || !app || !name} onClick={() => void make()}>
              <Database size={14} aria-hidden />
              {t('db.createButton')}
            </Button>
          </div>
        </Card>
      </Page>
    </>
  )
}
