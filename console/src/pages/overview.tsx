/** Running operations, what needs a person, applications with state and load, and what happened lately. */
import { Link, useNavigate } from '@tanstack/react-router'
import { ChevronRight, Plus } from 'lucide-react'
import { useEffect } from 'react'
import { useOverview } from '../api/queries'
import type { ApplicationSummary, Operation, Overview as OverviewData } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Page } from '../ui/card'
import { ButtonLink, Kbd } from '../ui/controls'
import { useNow } from '../ui/now'
import { LoadingCards, ProblemPanel } from '../ui/panels'
import { asState, Status, StatusDot, StatusIcon } from '../ui/status'
import { StepStrip, Turning } from '../ui/steps'
import { hintOf } from './application-view'
import { current, elapsed, stateOf, stepViews, titleOf, usual } from './operation-view'
import { useRowKeys } from './rows'

export default function Overview() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const overview = useOverview()
  const running = overview.data?.running ?? []
  const empty = overview.data?.applications_total === 0 && running.length === 0
  useEffect(() => {
    if (empty) void navigate({ to: '/t/$team/e/$env/welcome', params: place, replace: true })
  }, [empty, navigate, place])
  const needs = overview.data?.needs_you ?? []
  return (
    <>
      <Top
        crumbs={[place.env, t('nav.overview')]}
        right={
          <ButtonLink variant="primary" to="/t/$team/e/$env/create" params={place} className="max-md:hidden">
            <Plus size={14} aria-hidden />
            {t('nav.create')}
            <Kbd on>C</Kbd>
          </ButtonLink>
        }
      />
      <Page width="max-w-[1080px]">
        <h1 className="sr-only">{t('nav.overview')}</h1>
        {running.slice(0, 4).map((operation) => (
          <Running key={operation.id} operation={operation} />
        ))}
        {needs.length > 0 && (
          <section>
            <h2 className="mb-2 flex items-center px-1 text-sm font-semibold">
              {t('overview.needs')}
              <span className="num ml-2 rounded-full bg-warn-soft px-1.5 text-2xs text-warn">
                {needs.length}
              </span>
            </h2>
            <ul className="card divide-y divide-line overflow-hidden !rounded-2xl">
              {needs.map((one) => (
                <li key={`${one.application}-${one.problem.code}`}>
                  <Need need={one} />
                </li>
              ))}
            </ul>
          </section>
        )}
        <section>
          <h2 className="mb-2 flex items-center px-1 text-sm font-semibold">{t('nav.applications')}</h2>
          {overview.problem && !overview.data ? (
            <ProblemPanel problem={overview.problem} onRetry={overview.refresh} />
          ) : overview.data ? (
            <Applications applications={overview.data.applications.items} />
          ) : (
            <LoadingCards />
          )}
        </section>
        {overview.data && <Lately operations={overview.data.lately} />}
      </Page>
    </>
  )
}

function Need({ need }: { need: OverviewData['needs_you'][number] }) {
  const { t, known, when, utc } = useI18n()
  const place = usePlace()
  const { problem } = need
  return (
    <Link
      to="/t/$team/e/$env/apps/$app"
      params={{ ...place, app: need.application }}
      className="flex min-h-[60px] items-start gap-3 px-4 py-3 outline-offset-[-2px] hover:bg-hover"
    >
      <StatusIcon state="degraded" size={18} />
      <span className="min-w-0 flex-1">
        <span className="block break-words text-base font-medium leading-[18px]">
          {t('overview.need', {
            app: need.application,
            what: known(`problem.${problem.code}`) ?? problem.title,
          })}
        </span>
        <span className="mt-0.5 block break-words text-sm text-fg-3">{problem.cause}</span>
      </span>
      <span className="num text-xs text-fg-3" title={utc(need.since)}>
        {when(need.since)}
      </span>
    </Link>
  )
}

function Running({ operation }: { operation: Operation }) {
  const i18n = useI18n()
  const { t, clock } = i18n
  const place = usePlace()
  const now = useNow(true)
  const state = stateOf(operation)
  const step = current(operation)
  const total = usual(operation)
  const soFar = clock(elapsed(operation, now))
  return (
    <Link
      to="/t/$team/e/$env/operations/$id"
      params={{ ...place, id: operation.id }}
      className="block rounded-2xl bg-accent p-4 text-on-accent shadow-2"
    >
      <span className="flex items-center gap-2 text-sm font-medium">
        <Turning size={14} />
        {t(`state.${state}`)}
        <span className="num ml-auto">
          {total ? t('operation.ofAbout', { time: soFar, total: clock(total) }) : soFar}
        </span>
      </span>
      <span className="mt-2 flex items-end justify-between gap-3">
        <span className="min-w-0">
          <span className="block truncate text-xl font-semibold tracking-tight">
            {titleOf(operation, i18n)}
          </span>
          {step && (
            <span className="block break-words text-sm">
              {state === 'waiting' ? t('operation.queued') : t(`step.name.${step.name}`)}
              {step.note && `: ${step.note}`}
            </span>
          )}
        </span>
        <ChevronRight size={20} aria-hidden className="shrink-0" />
      </span>
      <span className="mt-3 block">
        <StepStrip steps={stepViews(operation, i18n, now)} light />
      </span>
    </Link>
  )
}

function Applications({ applications }: { applications: ApplicationSummary[] }) {
  const row = useRowKeys(applications.length)
  return (
    <ul className="grid gap-2.5 md:grid-cols-2 md:gap-4 xl:grid-cols-3">
      {applications.map((app, index) => (
        <AppCard key={app.name} app={app} link={row(index)} />
      ))}
    </ul>
  )
}

function AppCard({ app, link }: { app: ApplicationSummary; link: (element: HTMLElement | null) => void }) {
  const i18n = useI18n()
  const { t, bytes, number } = i18n
  const place = usePlace()
  const memory = app.memory_bytes != null ? bytes(app.memory_bytes) : undefined
  return (
    <li className="card overflow-hidden !rounded-2xl">
      <Link
        ref={link}
        to="/t/$team/e/$env/apps/$app"
        params={{ ...place, app: app.name }}
        className="block px-4 pb-3 pt-3 outline-offset-[-3px] hover:bg-hover"
      >
        <span className="flex items-center gap-2">
          <b className="min-w-0 truncate text-lg font-semibold leading-5 tracking-tight">{app.name}</b>
          <span className="ml-auto text-xs">
            <Status state={asState(app.status)} pill />
          </span>
        </span>
        <span className="mt-0.5 block truncate text-sm text-fg-3">{hintOf(app, i18n)}</span>
        <span className="num mt-2 flex flex-wrap items-baseline gap-x-3 text-xs text-fg-3">
          {app.requests_per_second != null && (
            <span>
              <b className="text-base font-semibold text-fg">
                {number(app.requests_per_second, app.requests_per_second < 10 ? 1 : 0)}
              </b>{' '}
              {t('overview.requests')}
            </span>
          )}
          {app.cpu_millis != null && (
            <span>
              {t('overview.cpu')} {number(app.cpu_millis / 1000, 2)}
            </span>
          )}
          {memory && (
            <span>
              {memory.value} {memory.unit}
            </span>
          )}
          {app.instances_wanted > 0 && (
            <span className="ml-auto">{t('overview.instances', { n: app.instances_wanted })}</span>
          )}
        </span>
      </Link>
    </li>
  )
}

function Lately({ operations }: { operations: Operation[] }) {
  const i18n = useI18n()
  const place = usePlace()
  const over = operations.filter((operation) => operation.outcome).slice(0, 6)
  if (over.length === 0) return null
  return (
    <section>
      <h2 className="mb-2 px-1 text-sm font-semibold">{i18n.t('overview.lately')}</h2>
      <ul className="card divide-y divide-line overflow-hidden !rounded-2xl">
        {over.map((operation) => (
          <li key={operation.id}>
            <Link
              to="/t/$team/e/$env/operations/$id"
              params={{ ...place, id: operation.id }}
              className="flex min-h-11 items-center gap-3 px-4 py-2 outline-offset-[-2px] hover:bg-hover"
            >
              <StatusDot state={stateOf(operation)} size={16} />
              <span className="min-w-0 flex-1 truncate text-sm font-medium">{titleOf(operation, i18n)}</span>
              <span className="shrink-0 text-xs text-fg-3">
                <span className="max-md:hidden">{operation.actor} · </span>
                {i18n.when(operation.ended_at ?? operation.asked_at)}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  )
}
