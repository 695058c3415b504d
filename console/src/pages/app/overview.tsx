/** The component at a glance: the operation at work, its instances, what serves and since when, its routes and load. */
import { Link } from '@tanstack/react-router'
import { ArrowRight, ExternalLink, GitCommitHorizontal, Play, X } from 'lucide-react'
import type { ReactNode } from 'react'
import { usePlacedOn } from '../../api/environments'
import { Problem } from '../../api/problem'
import { act, cancelOperation, useInstanceEvents, useMay, useReleases, useUsage } from '../../api/queries'
import type {
  ApplicationDetail,
  ComponentDetail,
  InstanceEvent,
  Operation,
  ReleaseSummary,
} from '../../api/types'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card, Facts, Page } from '../../ui/card'
import { Area } from '../../ui/chart'
import { Avatar, Button, ButtonLink, CopyButton } from '../../ui/controls'
import { useNow } from '../../ui/now'
import { Empty, LoadingRows, ProblemPanel } from '../../ui/panels'
import { type State, StatusIcon, Tag } from '../../ui/status'
import { StepsAcross } from '../../ui/steps'
import { toast } from '../../ui/toast'
import { releaseTitle, shortName, shortUrl } from '../application-view'
import { elapsed, stepViews, titleOf, usual } from '../operation-view'
import { Addresses } from './addresses'
import { ComponentsCard } from './components-card'
import { useApp } from './context'
import { EventsCard } from './events'
import { Instances, LastEnd } from './instances'
import { comesToAnEnd, Runs } from './runs'
import { scalingText } from './scaling'

export default function AppOverview() {
  const { app, component } = useApp()
  const { t } = useI18n()
  const placedOn = usePlacedOn()
  const releases = useReleases(app.name)
  const usage = useUsage(app.name)
  const running = app.operations.filter((one) => !one.outcome)
  const failed = app.operations[0]?.outcome?.outcome === 'failed' ? app.operations[0] : undefined
  const now = useNow(running.length > 0 || !!component?.instances.length)
  const live = releases.data?.find((one) => one.status === 'live')
  const events = useInstanceEvents(app.name, component?.name)
  const ends = component !== undefined && comesToAnEnd(component)
  return (
    <Page>
      {app.seen_ms_ago == null && app.live_release != null && (
        <p role="status" className="rounded-lg bg-warn-soft px-4 py-2 text-sm text-warn">
          {placedOn ? t('cluster.notSeen', { cluster: placedOn }) : t('app.notSeen')}
        </p>
      )}
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_324px]">
        <div className="min-w-0 space-y-4">
          {running.slice(0, 2).map((operation) => (
            <AtWork key={operation.id} operation={operation} now={now} />
          ))}
          {running.length === 0 && failed && <LastFailure operation={failed} />}
          {app.problem && !(running.length === 0 && failed) && (
            <ProblemPanel problem={new Problem(app.problem)} />
          )}
          {app.power === 'off' && <Stopped app={app} />}
          <ComponentsCard app={app} />
          {!ends && <InstancesCard app={app} component={component} now={now} events={events.data?.items} />}
          {component && <Runs key={component.name} app={app} component={component} />}
          <div className="grid gap-4 lg:grid-cols-2">
            <CurrentRelease release={live} component={component} app={app} />
            <Routes component={component} />
          </div>
          <Ended component={component} />
          {component && (
            <EventsCard key={`events of ${component.name}`} component={component} events={events} />
          )}
        </div>
        <div className="grid gap-4 md:grid-cols-2 xl:grid-cols-1">
          {!ends && component?.kind !== 'external' && (
            <Load component={component} points={usage.data?.instances} />
          )}
          <Timeline releases={releases.data} />
        </div>
      </div>
    </Page>
  )
}

function AtWork({ operation, now }: { operation: Operation; now: number }) {
  const i18n = useI18n()
  const { t, clock } = i18n
  const place = usePlace()
  const total = usual(operation)
  const soFar = clock(elapsed(operation, now))
  return (
    <Card
      title={titleOf(operation, i18n)}
      hint={t('operation.startedBy', { actor: operation.actor })}
      action={
        <>
          <span className="num mr-2 text-xs text-fg-3">
            {total ? t('operation.ofAbout', { time: soFar, total: clock(total) }) : soFar}
          </span>
          <ButtonLink size="sm" to="/t/$team/e/$env/operations/$id" params={{ ...place, id: operation.id }}>
            {t('operation.open')}
            <ArrowRight size={13} aria-hidden />
          </ButtonLink>
          <Button
            size="sm"
            variant="ghost"
            disabled={operation.cancel_requested}
            onClick={() =>
              void cancelOperation(place, operation.id).catch((thrown: unknown) =>
                toast('bad', t('operation.cancelFailed'), Problem.of(thrown).title),
              )
            }
          >
            <X size={13} aria-hidden />
            {operation.cancel_requested ? t('operation.cancelling') : t('operation.cancelShort')}
          </Button>
        </>
      }
    >
      <div className="pt-1">
        <StepsAcross steps={stepViews(operation, i18n, now)} />
      </div>
    </Card>
  )
}

function LastFailure({ operation }: { operation: Operation }) {
  const i18n = useI18n()
  const place = usePlace()
  if (operation.outcome?.outcome !== 'failed') return null
  return (
    <ProblemPanel problem={new Problem(operation.outcome.problem)}>
      <ButtonLink to="/t/$team/e/$env/operations/$id" params={{ ...place, id: operation.id }}>
        {titleOf(operation, i18n)}
        <ArrowRight size={13} aria-hidden />
      </ButtonLink>
    </ProblemPanel>
  )
}

function Stopped({ app }: { app: ApplicationDetail }) {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('application:operate')
  return (
    <div className="card flex flex-wrap items-center gap-3 p-4">
      <StatusIcon state="stopped" size={18} />
      <p className="min-w-0 flex-1 text-sm text-fg-2">{t('app.stoppedText')}</p>
      <Button
        disabled={!may}
        onClick={() =>
          void act(place, app.name, 'start').catch((thrown: unknown) =>
            toast('bad', Problem.of(thrown).title),
          )
        }
      >
        <Play size={13} aria-hidden />
        {t('app.start')}
      </Button>
    </div>
  )
}

function InstancesCard({
  app,
  component,
  now,
  events,
}: {
  app: ApplicationDetail
  component: ComponentDetail | undefined
  now: number
  events: InstanceEvent[] | undefined
}) {
  const i18n = useI18n()
  const { t } = i18n
  const place = usePlace()
  const instances = component?.instances ?? []
  if (component?.kind === 'external') return <Addresses component={component} off={app.power === 'off'} />
  return (
    <Card
      title={t('instance.title')}
      hint={
        component && (scalingText(component, i18n) ?? t('instance.wanted', { n: component.instances_wanted }))
      }
      pad={false}
      action={
        <ButtonLink
          size="sm"
          variant="ghost"
          to="/t/$team/e/$env/apps/$app/settings"
          params={{ ...place, app: app.name }}
        >
          {t('instance.scale')}
        </ButtonLink>
      }
    >
      {instances.length === 0 ? (
        <p className="border-t px-4 py-6 text-center text-sm text-fg-2">
          {app.power === 'off' ? t('instance.noneStopped') : t('instance.none')}
        </p>
      ) : (
        <Instances
          component={component?.name}
          instances={instances}
          release={app.target_release ?? undefined}
          now={now}
          events={events}
        />
      )}
    </Card>
  )
}

function CurrentRelease({
  release,
  component,
  app,
}: {
  release: ReleaseSummary | undefined
  component: ComponentDetail | undefined
  app: ApplicationDetail
}) {
  const i18n = useI18n()
  const { t, when, utc, duration } = i18n
  const place = usePlace()
  // A release in a list tells where it comes from, its component also what built it.
  const built = component?.built_from ?? release?.built_from
  const id = component?.image_id.replace(/^sha256:/, '')
  const facts: [ReactNode, ReactNode][] = []
  if (built?.commit)
    facts.push([
      t('release.commit'),
      <span key="c" className="flex min-w-0 items-center gap-1.5">
        <GitCommitHorizontal size={13} aria-hidden className="text-fg-3" />
        <span className="mono">{built.commit.slice(0, 10)}</span>
        {built.branch && (
          <span className="truncate text-fg-2">{t('release.onBranch', { branch: built.branch })}</span>
        )}
      </span>,
    ])
  if (component)
    facts.push([
      t('release.image'),
      <span key="i" className="mono min-w-0 truncate" title={component.image}>
        {component.image}
      </span>,
    ])
  if (id)
    facts.push([
      t('release.digest'),
      <span key="d" className="flex min-w-0 items-center">
        <span className="mono truncate">sha256:{id.slice(0, 12)}…</span>
        <CopyButton text={`sha256:${id}`} label={t('release.copyDigest')} />
      </span>,
    ])
  if (built?.builder) facts.push([t('release.builtWith'), `${built.builder}, ${duration(built.duration_ms)}`])
  return (
    <Card
      title={t('release.current')}
      hint={release && t(component && comesToAnEnd(component) ? 'release.inForce' : 'release.serving')}
      action={
        <ButtonLink
          size="sm"
          variant="ghost"
          to="/t/$team/e/$env/apps/$app/releases"
          params={{ ...place, app: app.name }}
        >
          {t('release.all')}
        </ButtonLink>
      }
    >
      {release ? (
        <>
          <div className="mb-3 flex items-center gap-3">
            <span className="num text-2xl font-semibold tracking-tight">r{release.number}</span>
            <div className="min-w-0 text-sm">
              <div className="truncate font-medium" title={releaseTitle(release, i18n)}>
                {releaseTitle(release, i18n)}
              </div>
              <div className="flex min-w-0 items-center gap-1.5 text-xs text-fg-3">
                <Avatar name={release.actor} size={16} />
                <span className="truncate">{release.actor}</span>
                <span className="shrink-0" title={utc(release.at)}>
                  · {when(release.at)}
                </span>
                {release.duration_ms != null && (
                  <span className="shrink-0">· {duration(release.duration_ms)}</span>
                )}
              </div>
            </div>
          </div>
          <Facts items={facts} />
        </>
      ) : (
        <p className="text-sm text-fg-2">{t('release.noneLive')}</p>
      )}
    </Card>
  )
}

function Routes({ component }: { component: ComponentDetail | undefined }) {
  const { t, number } = useI18n()
  const routes = component?.routes ?? []
  const ports = component?.ports ?? []
  return (
    <Card title={t('route.title')} hint={component && t('route.ports', { n: ports.length })}>
      <ul className="-mx-2 text-sm">
        {routes.map((route) => (
          <li key={route.id} className="flex min-h-8 items-center gap-2.5 rounded-md px-2 hover:bg-hover">
            <StatusIcon
              state={route.traffic && route.traffic.errors > 0.01 ? 'degraded' : 'running'}
              size={13}
            />
            <a
              href={route.url}
              target="_blank"
              rel="noreferrer"
              className="min-w-0 flex-1 truncate hover:underline"
            >
              {shortUrl(route.url)}
              <ExternalLink size={12} aria-hidden className="ml-1.5 inline text-fg-3" />
            </a>
            <span className="text-xs text-fg-3">{route.port}</span>
            {route.traffic && (
              <span className="num w-14 text-right text-xs text-fg-2">
                {t('route.perSecond', {
                  n: number(
                    route.traffic.requests_per_second,
                    route.traffic.requests_per_second < 10 ? 1 : 0,
                  ),
                })}
              </span>
            )}
          </li>
        ))}
        {ports.map((port) => (
          <li key={port.name} className="flex min-h-8 items-center gap-2.5 rounded-md px-2">
            <span className="w-[13px]" />
            <span className="mono min-w-0 flex-1 truncate text-fg-2">
              {component?.name}:{port.port}
            </span>
            <span className="text-xs text-fg-3">{t('route.inside', { port: port.name })}</span>
          </li>
        ))}
      </ul>
      {routes.length === 0 && ports.length === 0 && (
        <p className="text-sm text-fg-2">{component ? t('route.none') : t('release.noneLive')}</p>
      )}
    </Card>
  )
}

/** What ended badly lately, with the words it left; nothing when all is well. */
function Ended({ component }: { component: ComponentDetail | undefined }) {
  const { t } = useI18n()
  const ended = (component?.instances ?? [])
    .flatMap((one) => (one.last_exit ? [{ name: one.name, exit: one.last_exit }] : []))
    .sort((a, b) => (a.exit.at < b.exit.at ? 1 : -1))
    .slice(0, 3)
  if (ended.length === 0) return null
  return (
    <Card title={t('instance.ends')} hint={t('instance.endsHint')}>
      <ul className="space-y-4">
        {ended.map(({ name, exit }) => (
          <li key={name} className="flex gap-3">
            <StatusIcon state="degraded" size={14} />
            <div className="min-w-0 flex-1">
              <div className="mono text-fg-2">{shortName(name)}</div>
              <LastEnd exit={exit} />
            </div>
          </li>
        ))}
      </ul>
    </Card>
  )
}

type Points = Record<string, { at: string; cpu_millis: number; memory_bytes: number }[]>

/** All instances together, by the minute. */
function total(points: Points | undefined, of: 'cpu_millis' | 'memory_bytes'): [number, number][] {
  const sums = new Map<number, number>()
  const newest = new Map<string, number>()
  for (const [instance, series] of Object.entries(points ?? {})) {
    for (const point of series) {
      const slot = Math.round(Date.parse(point.at) / 15_000) * 15_000
      const key = `${instance}-${slot}`
      if (newest.has(key)) continue
      newest.set(key, slot)
      sums.set(slot, (sums.get(slot) ?? 0) + point[of])
    }
  }
  return [...sums].sort(([a], [b]) => a - b)
}

function Load({ component, points }: { component: ComponentDetail | undefined; points: Points | undefined }) {
  const { t, number, bytes } = useI18n()
  const traffic = (component?.routes ?? []).flatMap((route) => (route.traffic ? [route.traffic] : []))
  const requests = traffic.reduce((sum, one) => sum + one.requests_per_second, 0)
  const p95 = Math.max(0, ...traffic.map((one) => one.p95_ms))
  const errors = requests
    ? traffic.reduce((sum, one) => sum + one.errors * one.requests_per_second, 0) / requests
    : 0
  const cpu = total(points, 'cpu_millis')
  const memory = total(points, 'memory_bytes')
  const nowCpu = cpu.at(-1)?.[1] ?? 0
  const nowMemory = bytes(memory.at(-1)?.[1] ?? 0)
  const big = (label: string, value: string, unit: string) => (
    <div className="min-w-0">
      <div className="truncate text-xs text-fg-3">{label}</div>
      <div className="num text-lg font-semibold leading-6">
        {value}
        <span className="ml-1 text-xs font-normal text-fg-3">{unit}</span>
      </div>
    </div>
  )
  return (
    <Card title={t('load.title')} hint={t('load.hint')}>
      {traffic.length > 0 && (
        <div className="mb-4 grid grid-cols-3 gap-3">
          {big(t('load.requests'), number(requests, requests < 10 ? 1 : 0), '/s')}
          {big('p95', number(p95, p95 < 10 ? 1 : 0), 'ms')}
          {big(t('load.errors'), number(errors * 100, 2), '%')}
        </div>
      )}
      {cpu.length > 1 ? (
        <div className="space-y-4">
          <div>
            {big(t('load.cpu'), number(nowCpu / 1000, 2), t('load.cores'))}
            <div className="mt-1">
              <Area
                points={cpu}
                color="var(--c2)"
                label={t('load.cpu')}
                show={(n) => number(n / 1000, 2)}
                height={44}
              />
            </div>
          </div>
          <div>
            {big(t('load.memory'), nowMemory.value, nowMemory.unit)}
            <div className="mt-1">
              <Area
                points={memory}
                color="var(--c3)"
                label={t('load.memory')}
                show={(n) => `${bytes(n).value} ${bytes(n).unit}`}
                height={44}
              />
            </div>
          </div>
        </div>
      ) : (
        <p className="text-sm text-fg-2">{t('load.none')}</p>
      )}
    </Card>
  )
}

export const releaseState: Record<ReleaseSummary['status'], State> = {
  deploying: 'deploying',
  live: 'running',
  retired: 'succeeded',
  failed: 'failed',
  superseded: 'superseded',
}

function Timeline({ releases }: { releases: ReleaseSummary[] | undefined }) {
  const i18n = useI18n()
  const { t, when } = i18n
  const place = usePlace()
  const { app } = useApp()
  return (
    <Card title={t('release.timeline')} pad={false}>
      {!releases ? (
        <LoadingRows rows={4} />
      ) : releases.length === 0 ? (
        <Empty icon={GitCommitHorizontal} title={t('release.empty')} text={t('release.emptyText')} />
      ) : (
        <ol className="pb-2">
          {releases.slice(0, 6).map((release, index, all) => (
            <li key={release.number} className="relative">
              {index < all.length - 1 && (
                <i aria-hidden className="absolute -bottom-2 left-[27px] top-8 w-px bg-line-2" />
              )}
              <Link
                to="/t/$team/e/$env/apps/$app/releases"
                params={{ ...place, app: app.name }}
                search={{ to: release.number }}
                className="relative flex gap-3 px-4 py-2 outline-offset-[-2px] hover:bg-hover"
              >
                <span className="grid h-6 w-6 shrink-0 place-items-center rounded-full border border-line-2 bg-surface">
                  <StatusIcon state={releaseState[release.status]} size={13} />
                </span>
                <span className="min-w-0 flex-1">
                  <span className="flex items-center gap-2">
                    <b className="num font-semibold">r{release.number}</b>
                    {release.status === 'live' ? (
                      <Tag tone="ok">{t('release.status.live')}</Tag>
                    ) : release.status === 'failed' ? (
                      <Tag tone="bad">{t('release.status.failed')}</Tag>
                    ) : release.status === 'deploying' ? (
                      <Tag tone="accent">{t('release.status.deploying')}</Tag>
                    ) : null}
                    <span className="num ml-auto text-xs text-fg-3">{when(release.at)}</span>
                  </span>
                  <span className="block truncate text-xs text-fg-2">{releaseTitle(release, i18n)}</span>
                </span>
              </Link>
            </li>
          ))}
        </ol>
      )}
    </Card>
  )
}
