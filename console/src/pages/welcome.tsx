/** First run: a sample in one click, ways to bring one's own, and what the machine says about itself. */
import { Link, useNavigate } from '@tanstack/react-router'
import {
  Box,
  Check,
  Container,
  FolderUp,
  GitBranch,
  Globe,
  type LucideIcon,
  OctagonX,
  Rocket,
  TerminalSquare,
  TriangleAlert,
} from 'lucide-react'
import { useState } from 'react'
import { Problem } from '../api/problem'
import { deploy, plan, useDoctor, useOverview, useSession } from '../api/queries'
import type { SampleSummary } from '../api/types'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Button, ButtonLink, CopyButton, Kbd, Segmented } from '../ui/controls'
import { cx } from '../ui/cx'
import { LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'
import { Prose } from '../ui/prose'
import { Tag } from '../ui/status'

export default function Welcome() {
  const { t } = useI18n()
  const place = usePlace()
  const session = useSession()
  const overview = useOverview()
  const samples = overview.data?.samples ?? []
  const some = (overview.data?.applications_total ?? 0) > 0
  return (
    <>
      <Top
        crumbs={[place.env, t('welcome.crumb')]}
        right={
          session.data && (
            <Tag tone="ok">
              <Check size={11} aria-hidden />
              Pluvio {session.data.version}
            </Tag>
          )
        }
      />
      <div className="mx-auto max-w-[1040px] px-4 pb-24 pt-7 md:px-8 md:pb-8 md:pt-11">
        <h1 className="text-2xl font-semibold tracking-[-0.02em] md:text-[34px] md:leading-10">
          {some ? t('welcome.titleSome') : t('welcome.title')}
        </h1>
        <p className="mt-2 text-lg text-fg-2">{t('welcome.text')}</p>
        {overview.problem && !overview.data && (
          <div className="mt-6">
            <ProblemPanel problem={overview.problem} onRetry={overview.refresh} />
          </div>
        )}
        {samples.length > 0 && <Sample samples={samples} />}
        <div className="mt-4 grid gap-4 md:grid-cols-3">
          <Way icon={FolderUp} title={t('welcome.folder')} text={t('welcome.folderText')} keys="C" />
          <Way icon={GitBranch} title={t('welcome.git')} text={t('welcome.gitText')} from="git" />
          <Way icon={Container} title={t('welcome.image')} text={t('welcome.imageText')} from="image" />
        </div>
        <div className="mt-9 grid gap-10 md:grid-cols-2">
          <Machine />
          <section>
            <h2 className="text-sm font-semibold">{t('welcome.terminal')}</h2>
            <div className="mono mt-3 overflow-hidden rounded-lg border bg-code leading-[22px]">
              <div className="flex items-center gap-2 border-b bg-surface py-1 pl-3 pr-1.5 font-sans text-xs text-fg-3">
                <TerminalSquare size={13} aria-hidden />
                <span className="flex-1">{t('welcome.inFolder')}</span>
                <CopyButton text="pluvio deploy" />
              </div>
              <pre className="px-3 py-2.5 font-[inherit]">
                <span className="text-fg-3">$</span> pluvio init{'\n'}
                <span className="text-fg-3">$</span> pluvio deploy
              </pre>
            </div>
            <p className="mt-2 text-xs text-fg-3">{t('welcome.terminalText')}</p>
          </section>
        </div>
      </div>
    </>
  )
}

const Node = ({
  icon: Icon,
  title,
  text,
  first,
}: {
  icon: LucideIcon
  title: string
  text: string
  first?: boolean
}) => (
  <div className="flex w-[210px] items-center gap-2.5 rounded-xl border border-line-2 bg-surface p-2.5 shadow-2">
    <span
      className={cx(
        'grid h-7 w-7 shrink-0 place-items-center rounded-md',
        first ? 'bg-accent text-on-accent' : 'bg-accent-soft text-accent-fg',
      )}
    >
      <Icon size={16} strokeWidth={1.9} />
    </span>
    <span className="min-w-0">
      <span className="block truncate text-sm font-semibold leading-4">{title}</span>
      <span className="block truncate text-2xs text-fg-3">{text}</span>
    </span>
  </div>
)

const Edge = () => (
  <svg width="4" height="38" viewBox="0 0 4 38" aria-hidden className="ml-[105px]">
    <path d="M2 0 V38" stroke="var(--accent)" strokeWidth="1.6" fill="none" className="flow" />
  </svg>
)

function Sample({ samples }: { samples: SampleSummary[] }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const [name, setName] = useState(samples[0]?.name ?? '')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const sample = samples.find((one) => one.name === name) ?? samples[0]
  const start = async () => {
    if (busy || !sample) return
    setBusy(true)
    setProblem(undefined)
    try {
      const planned = await plan(place, { sample: sample.name })
      const [wrong] = planned.errors
      if (wrong) throw new Problem(wrong)
      const operation = await deploy(place, planned.spec.name, { spec: planned.spec, create_only: true })
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
      setBusy(false)
    }
  }
  useKeys({ enter: () => void start() })
  if (!sample) return null
  const host = `${sample.name}.localhost`
  return (
    <section
      aria-label={t('welcome.sample')}
      className="card mt-7 grid overflow-hidden !rounded-2xl !shadow-2 md:grid-cols-[minmax(0,1fr)_400px]"
    >
      <div className="flex flex-col p-5 md:p-7">
        <Tag tone="accent" className="self-start">
          {t('welcome.oneClick')}
        </Tag>
        <h2 className="mt-3 text-xl tracking-tight">{sample.title}</h2>
        <p className="mt-1.5 max-w-[400px] text-base text-fg-2">
          {t('welcome.sampleText', { language: sample.language })}
        </p>
        {samples.length > 1 && (
          <div className="mt-4">
            <Segmented
              label={t('welcome.which')}
              value={sample.name}
              items={samples.map((one) => [one.name, one.language])}
              onChange={setName}
            />
          </div>
        )}
        {problem && (
          <div className="mt-4">
            <ProblemLine problem={problem} />
          </div>
        )}
        <div className="mt-auto flex flex-wrap items-center gap-3 pt-7">
          <Button variant="primary" size="lg" onClick={() => void start()} disabled={busy}>
            <Rocket size={16} aria-hidden />
            {busy ? t('welcome.starting') : t('welcome.deploy')}
            <Kbd on>↵</Kbd>
          </Button>
          <ButtonLink
            variant="ghost"
            size="lg"
            to="/t/$team/e/$env/create"
            params={place}
            search={{ sample: sample.name }}
          >
            {t('welcome.seePlan')}
          </ButtonLink>
        </div>
      </div>
      <div
        aria-hidden
        className="hidden place-items-center border-l bg-bg md:grid"
        style={{
          backgroundImage: 'radial-gradient(var(--dot) 1.1px, transparent 1.2px)',
          backgroundSize: '18px 18px',
        }}
      >
        <div className="py-8">
          <Node icon={Globe} title={t('nav.gateway')} text={host} first />
          <Edge />
          <Node icon={Box} title={sample.name} text={sample.language} />
        </div>
      </div>
    </section>
  )
}

function Way({
  icon: Icon,
  title,
  text,
  keys,
  from,
}: {
  icon: LucideIcon
  title: string
  text: string
  keys?: string
  from?: string
}) {
  const place = usePlace()
  return (
    <Link
      to="/t/$team/e/$env/create"
      params={place}
      search={from ? { from } : {}}
      className="card flex items-start gap-3 p-4 text-left hover:border-line-2 hover:shadow-2"
    >
      <span className="grid h-9 w-9 shrink-0 place-items-center rounded-lg bg-mute-soft text-fg-2">
        <Icon size={17} strokeWidth={1.9} aria-hidden />
      </span>
      <span className="min-w-0 flex-1">
        <span className="flex items-center text-sm font-semibold">
          {title}
          {keys && (
            <span className="ml-auto">
              <Kbd>{keys}</Kbd>
            </span>
          )}
        </span>
        <span className="mt-0.5 block text-xs leading-[18px] text-fg-3">{text}</span>
      </span>
    </Link>
  )
}

function Machine() {
  const { t, known } = useI18n()
  const doctor = useDoctor()
  return (
    <section>
      <h2 className="text-sm font-semibold">{t('welcome.machine')}</h2>
      {doctor.problem && !doctor.data ? (
        <div className="mt-2">
          <ProblemPanel problem={doctor.problem} onRetry={doctor.refresh} bare />
        </div>
      ) : !doctor.data ? (
        <LoadingRows />
      ) : (
        <ul className="mt-2 divide-y divide-line text-sm">
          {doctor.data.checks.map((check) => (
            <li key={check.name} className="flex min-h-9 items-start gap-3 py-2">
              {check.verdict === 'ok' ? (
                <Check
                  size={15}
                  className="mt-0.5 shrink-0 text-ok"
                  aria-label={t('welcome.ok')}
                  role="img"
                />
              ) : check.verdict === 'warning' ? (
                <TriangleAlert
                  size={15}
                  className="mt-0.5 shrink-0 text-warn"
                  aria-label={t('welcome.warning')}
                  role="img"
                />
              ) : (
                <OctagonX
                  size={15}
                  className="mt-0.5 shrink-0 text-bad"
                  aria-label={t('welcome.failed')}
                  role="img"
                />
              )}
              <span className="w-20 shrink-0 text-fg-3">{known(`doctor.${check.name}`) ?? check.name}</span>
              <span className="min-w-0 break-words">
                <Prose text={check.message} />
                {check.remedy && check.verdict !== 'ok' && (
                  <span className="block text-xs text-fg-2">
                    <Prose text={check.remedy} />
                  </span>
                )}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  )
}
