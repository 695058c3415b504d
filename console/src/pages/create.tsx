/** What do you want to run? The whole plan is shown before anything starts. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Check, Database, ShieldCheck } from 'lucide-react'
import { lazy, Suspense, useCallback, useEffect, useRef, useState } from 'react'
import { nameOk } from '../api/name'
import { Problem } from '../api/problem'
import { plan as askPlan, deploy, fetchFile, upload } from '../api/queries'
import type { PlanReport, SourceRequest } from '../api/types'
import { pack } from '../create/folder'
import { refusedOf, settingsMissing, withSettings } from '../create/needs'
import { emptySpec } from '../create/parts-start'
import { emptySheets, PasteSource } from '../create/paste'
import { PlanPanel } from '../create/plan-panel'
import { type Chosen, FolderSource, GitSource, ImageSource, icons, type SourceKind } from '../create/source'
import { Understood } from '../create/understood'
import { type Key, useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { mend, moved } from '../spec/mend'
import { cx } from '../ui/cx'
import { LoadingRows, ProblemPanel } from '../ui/panels'
import { Turning } from '../ui/steps'

// The editor is for those who ask for it.
const PartsSource = lazy(() => import('../create/parts'))

type Work = 'packing' | 'sending' | 'fetching' | 'reading'

export default function Create() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { app, sample, from } = useSearch({ strict: false }) as {
    app?: string
    sample?: string
    from?: string
  }
  const [kind, setKind] = useState<SourceKind>(
    from === 'paste' || from === 'git' || from === 'image' || from === 'parts' ? from : 'folder',
  )
  const [sheets, setSheets] = useState(emptySheets)
  const [variables, setVariables] = useState<Record<string, string>>({})
  const [settings, setSettings] = useState<Record<string, string>>({})
  const [accepted, setAccepted] = useState(false)
  const [parts, setParts] = useState(emptySpec)
  const [chosen, setChosen] = useState<Chosen>()
  const [source, setSource] = useState<SourceRequest>()
  const [plan, setPlan] = useState<PlanReport>()
  const [name, setName] = useState(app ?? '')
  const [secrets, setSecrets] = useState<Record<string, string>>({})
  const [work, setWork] = useState<Work>()
  const [problem, setProblem] = useState<Problem>()
  const [refused, setRefused] = useState<Problem>()
  const [starting, setStarting] = useState(false)
  const running = useRef<AbortController>(undefined)
  const inside = chosen && insideOf(chosen)

  const make = useCallback(
    async (from: Chosen, variables: Record<string, string> = {}) => {
      running.current?.abort()
      const controller = new AbortController()
      running.current = controller
      const { signal } = controller
      setProblem(undefined)
      setRefused(undefined)
      setPlan(undefined)
      setVariables(variables)
      setSettings({})
      setAccepted(false)
      try {
        const request = await sourceOf(from, setWork, signal)
        setSource(request)
        setWork('reading')
        const made = await askPlan(
          place,
          request,
          app ?? (from.kind === 'text' ? from.name : undefined),
          variables,
          signal,
          insideOf(from),
        )
        setPlan(made)
        setName(made.spec.name)
      } catch (thrown) {
        if (!signal.aborted) setProblem(Problem.of(thrown))
      } finally {
        if (running.current === controller) setWork(undefined)
      }
    },
    [place, app],
  )
  const choose = useCallback(
    (from: Chosen | undefined) => {
      setChosen(from)
      if (from) void make(from)
      else {
        running.current?.abort()
        setPlan(undefined)
        setProblem(undefined)
        setWork(undefined)
      }
    },
    [make],
  )
  useEffect(() => {
    if (sample) choose({ kind: 'sample', sample })
  }, [sample, choose])

  // The name decides the address, so a new name asks for a new plan; the typed name stays whatever comes back.
  useEffect(() => {
    if (!plan || !source || !nameOk(name) || plan.spec.name === name) return
    const timer = setTimeout(() => {
      askPlan(place, source, name, variables, undefined, inside).then(setPlan, (thrown: unknown) =>
        setRefused(Problem.of(thrown)),
      )
    }, 400)
    return () => clearTimeout(timer)
  }, [name, plan, source, place, variables, inside])

  const lacking = plan?.permissions?.some((one) => !one.held) ?? false
  const open =
    !plan ||
    plan.errors.length > 0 ||
    lacking ||
    (refusedOf(plan).length > 0 && !accepted) ||
    settingsMissing(plan, settings)
  const start = async () => {
    if (!plan || starting || open || !nameOk(name)) return
    setStarting(true)
    setRefused(undefined)
    try {
      // A name typed a moment ago may not be in the plan on screen yet.
      const current =
        plan.spec.name === name || !source
          ? plan
          : await askPlan(place, source, name, variables, undefined, inside)
      const operation = await deploy(place, name, {
        spec: withSettings(current.spec, settings),
        upload: source && 'upload' in source ? source.upload : undefined,
        secrets: { ...current.secrets, ...secrets },
        create_only: !app,
      })
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      setRefused(Problem.of(thrown))
      setStarting(false)
    }
  }
  useKeys({ 'ctrl+enter': () => void start() })

  const kinds: [SourceKind, Key][] = [
    ['folder', 'create.kind.folder'],
    ['paste', 'create.kind.paste'],
    ['git', 'create.kind.git'],
    ['image', 'create.kind.image'],
    ['parts', 'create.kind.parts'],
  ]
  return (
    <div className="flex min-h-full flex-col md:h-full">
      <Top
        crumbs={[
          <Link key="env" to="/t/$team/e/$env" params={place} className="hover:text-fg">
            {place.env}
          </Link>,
          t('nav.create'),
        ]}
        right={
          <span className="flex items-center gap-1.5 text-xs text-fg-3">
            <ShieldCheck size={14} aria-hidden />
            {t('create.nothingRan')}
          </span>
        }
      />
      <div className="mx-auto flex w-full min-h-0 max-w-[1240px] flex-1 flex-col px-4 pb-5 md:px-6">
        <div className="flex flex-wrap items-end justify-between gap-x-6 gap-y-3 pb-4 pt-5">
          <div className="min-w-0">
            <h1 className="text-2xl tracking-[-0.02em]">
              {app ? t('create.titleApp', { app }) : t('create.title')}
            </h1>
            <p className="mt-1 text-base text-fg-2">{t('create.text')}</p>
          </div>
          <fieldset aria-label={t('create.from')} className="flex min-w-0 flex-wrap gap-1">
            {kinds.map(([one, label]) => {
              const Icon = icons[one]
              const on = kind === one && chosen?.kind !== 'sample'
              return (
                <button
                  key={one}
                  type="button"
                  aria-pressed={on}
                  onClick={() => {
                    setKind(one)
                    choose(undefined)
                  }}
                  className={cx(
                    'touch flex h-7 items-center gap-1.5 rounded-full border px-2.5 text-xs',
                    on
                      ? 'border-accent-line bg-accent-soft font-medium text-accent-fg'
                      : 'border-line-2 text-fg-2 hover:bg-hover',
                  )}
                >
                  <Icon size={13} aria-hidden />
                  {t(label)}
                </button>
              )
            })}
            <Link
              to="/t/$team/e/$env/create/database"
              params={place}
              search={{ app }}
              className="touch flex h-7 items-center gap-1.5 rounded-full border border-line-2 px-2.5 text-fg-2 text-xs hover:bg-hover"
            >
              <Database size={13} aria-hidden />
              {t('db.create')}
            </Link>
          </fieldset>
        </div>
        <div
          className={cx(
            'grid min-h-0 gap-5 lg:grid-cols-[minmax(0,1fr)_412px]',
            plan && 'flex-1 md:grid-rows-[minmax(0,1fr)]',
          )}
        >
          <section
            aria-label={t('create.source')}
            className={cx(
              'flex min-h-0 flex-col overflow-hidden rounded-2xl border bg-surface',
              plan ? 'shadow-1' : 'border-accent shadow-2 ring-3 ring-accent/14',
            )}
          >
            {plan ? (
              <Understood plan={plan} chosen={chosen} onBack={() => choose(undefined)} />
            ) : kind === 'folder' ? (
              <FolderSource chosen={chosen} onChoose={choose} busy={work !== undefined} />
            ) : kind === 'paste' ? (
              <PasteSource sheets={sheets} onSheets={setSheets} onChoose={choose} busy={work !== undefined} />
            ) : kind === 'git' ? (
              <GitSource onChoose={choose} busy={work !== undefined} />
            ) : kind === 'parts' ? (
              <Suspense fallback={<LoadingRows />}>
                <PartsSource
                  spec={parts}
                  onChange={setParts}
                  onPlan={(text, name) => choose({ kind: 'text', text, name })}
                />
              </Suspense>
            ) : (
              <ImageSource onChoose={choose} busy={work !== undefined} />
            )}
            {problem && (
              <div className="border-t">
                <ProblemPanel bare problem={problem} onRetry={chosen ? () => void make(chosen) : undefined} />
              </div>
            )}
          </section>
          {plan ? (
            <PlanPanel
              plan={plan}
              name={name}
              fixedName={app !== undefined}
              onName={setName}
              blocked={open}
              settings={settings}
              onSetting={(setting, value) => setSettings((old) => ({ ...old, [setting]: value }))}
              accepted={accepted}
              onAccept={setAccepted}
              variables={variables}
              onVariables={(values) => chosen && void make(chosen, values)}
              secrets={secrets}
              onSecret={(secret, value) => setSecrets((old) => ({ ...old, [secret]: value }))}
              environment={place.env}
              busy={starting}
              problem={refused}
              onDeploy={() => void start()}
              onMend={(fixes, of) => {
                setPlan({
                  ...plan,
                  spec: mend(plan.spec, fixes),
                  errors: moved(
                    plan.errors.filter((error) => error !== of),
                    fixes,
                  ),
                })
                setRefused(undefined)
              }}
            />
          ) : (
            <section
              aria-label={t('create.plan')}
              className="flex flex-col rounded-2xl border border-dashed border-line-2 p-6"
            >
              <h2 className="text-sm font-semibold">{t('create.plan')}</h2>
              {work ? (
                <p role="status" className="mt-3 flex items-center gap-2 text-sm text-fg-2">
                  <span className="text-accent-fg">
                    <Turning size={14} />
                  </span>
                  {t(`create.work.${work}`)}
                </p>
              ) : (
                <>
                  <p className="mt-1 text-sm text-fg-2">{t('create.planEmpty')}</p>
                  <ul className="mt-4 space-y-2 text-sm text-fg-2">
                    {(['create.planWhat', 'create.planWhy', 'create.planWhere'] as const).map((key) => (
                      <li key={key} className="flex gap-2">
                        <Check size={15} aria-hidden className="mt-0.5 shrink-0 text-fg-3" />
                        {t(key)}
                      </li>
                    ))}
                  </ul>
                </>
              )}
            </section>
          )}
        </div>
      </div>
    </div>
  )
}

/** The folder of an upload that says what the application is. */
function insideOf(from: Chosen): string | undefined {
  return from.kind === 'folder' || from.kind === 'archive' ? from.path : undefined
}

async function sourceOf(
  from: Chosen,
  onWork: (work: Work) => void,
  signal: AbortSignal,
): Promise<SourceRequest> {
  switch (from.kind) {
    case 'git':
      return { git: from.git }
    case 'image':
      return { image: from.image }
    case 'sample':
      return { sample: from.sample }
    case 'text':
    case 'pasted':
      return { text: from.text }
    case 'files':
      return { files: from.files }
    case 'url': {
      onWork('fetching')
      const found = await fetchFile(from.url, signal)
      if (found.upload) return { upload: found.upload }
      return { files: [{ path: found.name, text: found.text ?? '' }] }
    }
    case 'folder': {
      onWork('packing')
      const archive = await pack(from.folder)
      onWork('sending')
      return { upload: (await upload(archive, 'application/gzip', signal)).upload }
    }
    case 'archive': {
      onWork('sending')
      const type = /\.tar$/i.test(from.file.name) ? 'application/x-tar' : 'application/gzip'
      return { upload: (await upload(from.file, type, signal)).upload }
    }
  }
}
