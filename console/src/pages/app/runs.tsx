/** Programs that come to an end: what a schedule, a job or a release task ran, how each run ended and what it said last. */
import { ChevronDown, ChevronRight, FileText, Play, Timer } from 'lucide-react'
import { Fragment, type ReactNode, useEffect, useId, useState } from 'react'
import { Problem } from '../../api/problem'
import { runNow, useMay, useRuns, useSpec } from '../../api/queries'
import type { ApplicationDetail, ComponentDetail, ObservedRun, RunState } from '../../api/types'
import { type I18n, useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card } from '../../ui/card'
import { Button, ButtonLink } from '../../ui/controls'
import { useNow } from '../../ui/now'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../../ui/panels'
import { type State, Status, Tag } from '../../ui/status'
import { toast } from '../../ui/toast'
import { LastEnd } from './instances'

/** Runs instead of instances: nothing of it is meant to stay up. */
export const comesToAnEnd = (component: ComponentDetail) =>
  component.kind === 'job' || component.kind === 'cron'

const states: Record<RunState, State> = {
  waiting: 'waiting',
  running: 'deploying',
  succeeded: 'succeeded',
  failed: 'failed',
  unknown: 'unknown',
  skipped: 'superseded',
}

const atWork = (run: ObservedRun) => run.state === 'waiting' || run.state === 'running'

/** Between two looks, in milliseconds: while a program is at work, and while a schedule may begin one. */
const soon = 2_000
const seldom = 15_000

export function Runs({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const { t } = useI18n()
  const runs = useRuns(app.name, component.name)
  const own = comesToAnEnd(component)
  const cron = component.kind === 'cron'
  const items = runs.data?.items
  const busy = items?.some(atWork) ?? false
  const now = useNow(busy)
  const { refresh } = runs
  // The event stream tells of operations and instances, and a run is neither.
  const every = busy ? soon : cron ? seldom : undefined
  useEffect(() => {
    if (!every) return
    const timer = setInterval(() => !document.hidden && refresh(), every)
    return () => clearInterval(timer)
  }, [every, refresh])
  if (!own && !items?.length) return null
  return (
    <Card
      title={t('run.title')}
      hint={cron ? <Schedule app={app} component={component} /> : t(own ? 'run.hintJob' : 'run.hintRelease')}
      pad={false}
      action={cron && <RunNow app={app} component={component} />}
    >
      {cron && <WhyNot app={app} />}
      {items?.length ? (
        <Table app={app} runs={items} now={now} />
      ) : (
        <div className="border-t">
          {runs.problem ? (
            <ProblemPanel bare problem={runs.problem} onRetry={refresh} />
          ) : !items ? (
            <LoadingRows rows={3} />
          ) : (
            <NoRuns app={app} component={component} />
          )}
        </div>
      )}
    </Card>
  )
}

/** The schedule as it was written, with its time zone. */
function Schedule({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const spec = useSpec(app.name)
  const schedule = spec.data?.spec.components[component.name]?.schedule
  if (!schedule) return null
  const { cron, timeZone } = typeof schedule === 'string' ? { cron: schedule } : schedule
  return (
    <>
      <span className="mono">{cron}</span>, {timeZone ?? 'UTC'}
    </>
  )
}

/** When it would run. */
function NoRuns({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const { t, rich } = useI18n()
  const text = () => {
    if (app.power === 'off') return t('run.emptyStopped')
    if (component.kind !== 'cron') return t('run.emptyJob')
    return rich('run.emptyCron', { schedule: <Schedule app={app} component={component} /> })
  }
  return <Empty icon={Timer} title={t('run.empty')} text={text()} />
}

function RunNow({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('application:operate')
  const [asking, setAsking] = useState(false)
  const start = () => {
    setAsking(true)
    void runNow(place, app.name, component.name)
      .then(
        () => toast('ok', t('run.started', { component: component.name })),
        (thrown: unknown) => {
          const { title, remedy } = Problem.of(thrown)
          toast('bad', title, remedy)
        },
      )
      .finally(() => setAsking(false))
  }
  return (
    <Button size="sm" disabled={!may || app.power === 'off' || asking} onClick={start}>
      <Play size={13} aria-hidden />
      {t('run.now')}
    </Button>
  )
}

/** Why nobody, or not this person, can run it now. */
function WhyNot({ app }: { app: ApplicationDetail }) {
  const { t } = useI18n()
  const may = useMay('application:operate')
  if (!may)
    return (
      <div className="px-4 pb-3">
        <Denied permission="application:operate" />
      </div>
    )
  if (app.power === 'off') return <p className="px-4 pb-3 text-xs text-fg-2">{t('run.nowStopped')}</p>
  return null
}

function took(run: ObservedRun, now: number, { duration, clock }: I18n) {
  if (!run.started_at) return undefined
  const from = Date.parse(run.started_at)
  if (run.ended_at) return duration(Date.parse(run.ended_at) - from)
  return run.state === 'running' ? clock(now - from) : undefined
}

function Table({ app, runs, now }: { app: ApplicationDetail; runs: ObservedRun[]; now: number }) {
  const i18n = useI18n()
  const { t, when, utc } = i18n
  const [open, setOpen] = useState<string>()
  const id = useId()
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm">
        <thead>
          <tr className="table-head border-y bg-sunken">
            <th className="!pl-4">{t('run.state')}</th>
            <th>{t('run.why')}</th>
            <th>{t('run.when')}</th>
            <th className="!pr-6 !text-right max-md:hidden">{t('run.took')}</th>
            <th className="max-md:hidden">{t('instance.release')}</th>
            <th className="!pr-4 !text-right max-md:hidden">{t('run.exit')}</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run, index) => {
            const shown = open === run.key
            const at = run.scheduled_at ?? run.started_at
            const time = took(run, now, i18n)
            return (
              <Fragment key={run.key}>
                <tr className="table-row border-t first:border-t-0">
                  <td className="!pl-4 text-xs">
                    <button
                      type="button"
                      aria-expanded={shown}
                      aria-controls={shown ? `${id}-${index}` : undefined}
                      onClick={() => setOpen(shown ? undefined : run.key)}
                      className="touch -ml-1 flex h-7 items-center gap-1 px-1"
                    >
                      {shown ? <ChevronDown size={13} aria-hidden /> : <ChevronRight size={13} aria-hidden />}
                      <Status state={states[run.state]}>{t(`run.state.${run.state}`)}</Status>
                      <span className="sr-only">{t('run.details')}</span>
                    </button>
                  </td>
                  <td className="text-fg-2">{t(`run.kind.${run.kind}`)}</td>
                  <td className="num text-xs text-fg-2" title={at ? utc(at) : undefined}>
                    {at ? when(at) : '–'}
                  </td>
                  <td className="num !pr-6 text-right text-xs text-fg-2 max-md:hidden">{time ?? '–'}</td>
                  <td className="max-md:hidden">
                    <Tag tone={run.release === app.live_release ? 'accent' : 'mute'}>r{run.release}</Tag>
                  </td>
                  <td className="num !pr-4 text-right text-xs text-fg-2 max-md:hidden">
                    {run.exit ? run.exit.code : '–'}
                  </td>
                </tr>
                {shown && (
                  <tr id={`${id}-${index}`}>
                    <td colSpan={6} className="border-t bg-sunken px-4 py-3">
                      <Details app={app} run={run} time={time} />
                    </td>
                  </tr>
                )}
              </Fragment>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}

function Details({ app, run, time }: { app: ApplicationDetail; run: ObservedRun; time: string | undefined }) {
  const { t } = useI18n()
  const place = usePlace()
  const say = (text: ReactNode) => <p className="text-xs text-fg-2">{text}</p>
  return (
    <div className="space-y-2.5">
      <p className="flex items-center gap-2 text-xs text-fg-2 md:hidden">
        <Tag>r{run.release}</Tag>
        {time && <span className="num">{time}</span>}
      </p>
      {run.state === 'skipped' && say(t('run.skippedText'))}
      {run.state === 'waiting' && say(t('run.waitingText'))}
      {run.state === 'unknown' && say(t('run.unknownText'))}
      {run.problem && <ProblemLine problem={new Problem(run.problem)} />}
      {run.exit && <LastEnd exit={run.exit} />}
      {run.exit?.last_lines.length === 0 && say(t('run.noLines'))}
      {run.state !== 'skipped' && run.state !== 'waiting' && (
        <ButtonLink
          size="sm"
          to="/t/$team/e/$env/apps/$app/logs"
          params={{ ...place, app: app.name }}
          search={{ instance: run.instance }}
        >
          <FileText size={13} aria-hidden />
          {t('run.logs')}
        </ButtonLink>
      )}
    </div>
  )
}
