/** One operation, live: each step against its usual time, its log folded by step, what cancelling would do, its outcome. */
import { Link, useParams } from '@tanstack/react-router'
import { ArrowRight, Download, Search, X } from 'lucide-react'
import { useMemo, useRef, useState } from 'react'
import { Problem } from '../api/problem'
import { cancelOperation, useOperation } from '../api/queries'
import { useOperationLog } from '../api/streams'
import type { Operation, OperationLogEntry, ProblemBody } from '../api/types'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { type Place, usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Avatar, Button, ButtonLink, Kbd } from '../ui/controls'
import { cx } from '../ui/cx'
import { type LogFold, type LogLine, LogView, toneOfText } from '../ui/log'
import { useNow } from '../ui/now'
import { LoadingRows, ProblemPanel } from '../ui/panels'
import { Prose } from '../ui/prose'
import { Status, Tag } from '../ui/status'
import { StepStrip, StepsDown, type StepView } from '../ui/steps'
import { toast } from '../ui/toast'
import { ComponentsDown } from './operation-components'
import { current, elapsed, stateOf, stepViews, titleOf, usual } from './operation-view'

export default function OperationPage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const i18n = useI18n()
  const place = usePlace()
  const operation = useOperation(id)
  const crumbs = [
    <Link key="env" to="/t/$team/e/$env" params={place} className="hover:text-fg">
      {place.env}
    </Link>,
    <Link key="list" to="/t/$team/e/$env/operations" params={place} className="hover:text-fg">
      {i18n.t('nav.operations')}
    </Link>,
  ]
  if (!operation.data)
    return (
      <>
        <Top crumbs={[...crumbs, id.slice(0, 8)]} />
        <h1 className="sr-only">{i18n.t('nav.operations')}</h1>
        <div className="p-5">
          {operation.problem ? (
            <ProblemPanel problem={operation.problem} onRetry={operation.refresh} />
          ) : (
            <LoadingRows rows={7} />
          )}
        </div>
      </>
    )
  return <Loaded operation={operation.data} crumbs={crumbs} place={place} />
}

function Loaded({
  operation,
  crumbs,
  place,
}: {
  operation: Operation
  crumbs: React.ReactNode[]
  place: Place
}) {
  const i18n = useI18n()
  const { t, clock, when, utc } = i18n
  const running = !operation.outcome
  const now = useNow(running)
  const [find, setFind] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  const steps = stepViews(operation, i18n, now)
  const step = current(operation)
  const total = usual(operation)
  const log = useOperationLog(operation.id)
  const folds = useFolds(log, steps)
  const warnings = log.reduce((sum, line) => sum + (line.level === 'warning' ? 1 : 0), 0)
  const state = stateOf(operation)
  const title = titleOf(operation, i18n)
  const gone = operation.kind === 'delete' && operation.outcome?.outcome === 'succeeded'

  const cancel = () =>
    cancelOperation(place, operation.id).catch((thrown: unknown) =>
      toast('bad', t('operation.cancelFailed'), Problem.of(thrown).title),
    )
  return (
    <div className="flex h-full flex-col max-md:h-auto">
      <Top
        crumbs={[...crumbs, title]}
        right={
          <>
            {!gone && (
              <ButtonLink
                to="/t/$team/e/$env/apps/$app"
                params={{ ...place, app: operation.application_name }}
              >
                {t('operation.openApp', { app: operation.application_name })}
                <ArrowRight size={13} aria-hidden />
              </ButtonLink>
            )}
            <Button
              onClick={() => download(operation, log)}
              disabled={log.length === 0}
              className="max-md:hidden"
            >
              <Download size={13} aria-hidden />
              {t('operation.log')}
            </Button>
            {running && (
              <Button variant="danger" onClick={() => void cancel()} disabled={operation.cancel_requested}>
                <X size={14} aria-hidden />
                {operation.cancel_requested ? t('operation.cancelling') : t('operation.cancel')}
              </Button>
            )}
          </>
        }
      />
      <div className="border-b bg-surface px-4 py-4 md:px-5">
        <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
          <div className="min-w-0 flex-1 max-md:basis-full">
            <h1 className="flex flex-wrap items-center gap-x-3 gap-y-1 text-xl tracking-tight">
              {title}
              <Status state={state} pill>
                {running && step && state !== 'waiting'
                  ? t('operation.stepNow', {
                      n: operation.steps.indexOf(step) + 1,
                      of: operation.steps.length,
                      step: t(`step.name.${step.name}`),
                    })
                  : undefined}
              </Status>
            </h1>
            <p className="mt-1 flex flex-wrap items-center gap-1.5 text-sm text-fg-2">
              <Avatar name={operation.actor} size={18} />
              <span>{operation.actor}</span>
              <span title={utc(operation.asked_at)}>· {when(operation.asked_at, now)}</span>
              {operation.title && operation.title !== title && (
                <span className="break-words">· {operation.title}</span>
              )}
            </p>
          </div>
          <dl className="flex gap-8 md:text-right">
            <div>
              <dt className="text-xs text-fg-3">{running ? t('operation.elapsed') : t('operation.took')}</dt>
              <dd className="num text-xl font-semibold tracking-tight">{clock(elapsed(operation, now))}</dd>
            </div>
            {running && total !== undefined && (
              <div>
                <dt className="text-xs text-fg-3">{t('operation.usuallyBy')}</dt>
                <dd className="num text-xl font-semibold tracking-tight text-fg-2">{clock(total)}</dd>
              </div>
            )}
          </dl>
        </div>
        <div className="mt-4">
          <StepStrip steps={steps} named />
        </div>
      </div>
      <div className="flex min-h-0 flex-1 max-md:flex-col">
        <div className="shrink-0 overflow-auto bg-surface p-3 md:w-[308px] md:border-r">
          <StepsDown steps={steps} />
          <ComponentsDown operation={operation} />
          <Ending operation={operation} place={place} />
        </div>
        <section
          aria-label={t('operation.log')}
          className="flex min-h-0 min-w-0 flex-1 flex-col max-md:h-[70vh] max-md:border-t"
        >
          <div className="flex min-h-11 shrink-0 items-center gap-2 border-b bg-surface px-3">
            <label className="flex h-7 w-64 min-w-0 items-center gap-2 rounded-md border border-line-3 px-2 text-xs text-fg-3 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent">
              <Search size={13} aria-hidden className="shrink-0" />
              <input
                ref={field}
                aria-label={t('log.find')}
                placeholder={t('log.find')}
                value={find}
                onChange={(event) => setFind(event.target.value)}
                onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
                className="w-full min-w-0 bg-transparent text-fg outline-none placeholder:text-fg-3"
              />
              <Kbd>/</Kbd>
            </label>
            {warnings > 0 && <Tag tone="warn">{t('log.warnings', { n: warnings })}</Tag>}
            <span className="ml-auto flex items-center gap-1.5 text-xs text-fg-2">
              {running && (
                <>
                  <i className="pulse h-2 w-2 rounded-full bg-ok" aria-hidden />
                  {t('log.live')}
                </>
              )}
            </span>
          </div>
          <LogView
            folds={folds}
            label={t('operation.log')}
            find={find}
            live={running}
            numbers
            empty={running ? t('operation.logWaiting') : t('operation.logNone')}
          />
        </section>
      </div>
    </div>
  )
}

function useFolds(lines: OperationLogEntry[], steps: StepView[]): LogFold[] {
  const { duration } = useI18n()
  return useMemo(() => {
    const byStep = new Map<string, LogFold>()
    for (const line of lines) {
      let fold = byStep.get(line.step)
      if (!fold) {
        const step = steps.find((one) => one.id === line.step)
        fold = {
          id: line.step,
          title: step?.name ?? line.step,
          aside: step?.took !== undefined && step.state !== 'running' ? duration(step.took) : undefined,
          lines: [],
        }
        byStep.set(line.step, fold)
      }
      fold.lines.push({ id: line.seq, at: line.at, text: line.text, tone: toneOf(line) })
    }
    return [...byStep.values()]
  }, [lines, steps, duration])
}

function download(operation: Operation, lines: OperationLogEntry[]) {
  const text = lines.map((line) => `${line.at} ${line.step} ${line.text}\n`).join('')
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  link.download = `${operation.application_name}-${operation.kind}-${operation.id}.log`
  link.click()
  URL.revokeObjectURL(link.href)
}

function toneOf({ level, text }: OperationLogEntry): LogLine['tone'] {
  if (level === 'command') return 'cmd'
  if (level === 'warning') return 'warn'
  if (level === 'error') return 'bad'
  if (/^(Step \d+\/\d+|STEP \d+|#\d+ \[|\$ |\+ )/.test(text)) return 'cmd'
  if (/(^ ---> Using cache|CACHED$|→ 200\b|^Successfully )/.test(text)) return 'ok'
  if (/^ ?--->|^#\d+ DONE/.test(text)) return 'dim'
  return toneOfText(text)
}

/** Why it failed, or what is in the way at present and tried again. */
function Told({ problem, passing }: { problem: ProblemBody; passing?: boolean }) {
  const { t, known } = useI18n()
  return (
    <div
      role={passing ? 'status' : 'alert'}
      className="mx-1 mt-3 rounded-lg border bg-sunken p-3 text-xs leading-[18px] text-fg-2"
    >
      <h2 className={cx('text-sm font-semibold', passing ? 'text-warn' : 'text-bad')}>
        {known(`problem.${problem.code}`) ?? problem.title}
      </h2>
      <p className="mt-1 break-words">
        <span className="mono text-fg-3">{problem.code}</span> · <Prose text={problem.cause} />
      </p>
      {!!problem.evidence?.length && (
        <pre
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolled region must be reachable by the keyboard.
          tabIndex={0}
          className="mono mt-2 max-h-48 overflow-auto rounded-md bg-code p-2 leading-[18px]"
        >
          {problem.evidence.join('\n')}
        </pre>
      )}
      {problem.remedy && (
        <p className="mt-2 break-words">
          <b className="font-semibold text-fg">{t('problem.remedy')}</b> <Prose text={problem.remedy} />
        </p>
      )}
      {passing && <p className="mt-2">{t('operation.triedAgain')}</p>}
    </div>
  )
}

/** What cancelling would do while it runs; how it ended after. */
function Ending({ operation, place }: { operation: Operation; place: Place }) {
  const { t } = useI18n()
  const outcome = operation.outcome
  if (!outcome) {
    const late = operation.steps.some(
      (step) => ['shift', 'drain', 'stop'].includes(step.name) && step.state !== 'waiting',
    )
    return (
      <>
        {operation.hindrance && <Told problem={operation.hindrance} passing />}
        <div className="mx-1 mt-3 rounded-lg border bg-sunken p-3 text-xs leading-[18px] text-fg-2">
          <h2 className="font-semibold text-fg">{t('operation.ifCancel')}</h2>
          <p>{late ? t('operation.ifCancelLate') : t('operation.ifCancelEarly')}</p>
        </div>
      </>
    )
  }
  if (outcome.outcome === 'failed') return <Told problem={outcome.problem} />
  if (outcome.outcome === 'superseded')
    return (
      <p className="mx-1 mt-3 rounded-lg border bg-sunken p-3 text-xs leading-[18px] text-fg-2">
        {t('operation.supersededText')}{' '}
        {outcome.by && (
          <Link
            to="/t/$team/e/$env/operations/$id"
            params={{ ...place, id: outcome.by }}
            className="font-medium text-accent-fg underline"
          >
            {t('operation.supersededBy')}
          </Link>
        )}
      </p>
    )
  if (outcome.outcome === 'cancelled')
    return (
      <p className="mx-1 mt-3 rounded-lg border bg-sunken p-3 text-xs leading-[18px] text-fg-2">
        {t('operation.cancelledText')}
      </p>
    )
  return null
}
