/** What the pages of one application share: its bar with state and commands, its tabs, its keys. */
import { Menu } from '@base-ui/react/menu'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import {
  Box,
  CircleArrowUp,
  CopyPlus,
  Ellipsis,
  ExternalLink,
  FileText,
  Play,
  Rocket,
  RotateCcw,
  Square,
  SquareTerminal,
  Undo2,
} from 'lucide-react'
import { useMemo, useState } from 'react'
import { Problem } from '../../api/problem'
import { act, deploy, useApplication, useMay } from '../../api/queries'
import type { Operation } from '../../api/types'
import { useI18n } from '../../i18n'
import { type Scope, useCommands } from '../../shell/commands'
import { useKeys } from '../../shell/keys'
import { usePlace } from '../../shell/place'
import { type Tab, TabBar, Top } from '../../shell/top'
import { Page } from '../../ui/card'
import { Button, ButtonAnchor, Kbd, Select } from '../../ui/controls'
import { Dialog } from '../../ui/dialog'
import { LoadingCards, LoadingRows, ProblemLine, ProblemPanel } from '../../ui/panels'
import { asState, Status } from '../../ui/status'
import { toast } from '../../ui/toast'
import { AppProvider, useAppName } from './context'
import { CopyDialog, PromoteDialog } from './elsewhere'

const item =
  'touch flex h-8 cursor-default items-center gap-2 rounded-md px-2 text-sm outline-none data-[highlighted]:bg-hover data-[disabled]:text-fg-3'

export default function AppLayout() {
  const i18n = useI18n()
  const { t } = i18n
  const name = useAppName()
  const place = usePlace()
  const navigate = useNavigate()
  const application = useApplication(name)
  const mayOperate = useMay('application:operate')
  const mayDeploy = useMay('application:deploy')
  const [deploying, setDeploying] = useState(false)
  const [going, setGoing] = useState<'copy' | 'promote'>()
  const [picked, setPicked] = useState<string>()
  const path = useRouterState({ select: (state) => state.location.pathname })
  const app = application.data
  const root = `/t/${place.team}/e/${place.env}/apps/${name}`
  const tab = path.slice(root.length).split('/')[1] || 'overview'
  const component = app?.components.find((one) => one.name === picked) ?? app?.components[0]
  const off = app?.power === 'off'

  const tabs: Tab[] = [
    { id: 'overview', label: t('app.tab.overview'), to: root },
    { id: 'topology', label: t('app.tab.topology'), to: `${root}/topology` },
    { id: 'components', label: t('app.tab.components'), to: `${root}/components` },
    ...(component?.kind === 'database'
      ? [{ id: 'database', label: t('app.tab.database'), to: `${root}/database` }]
      : []),
    { id: 'logs', label: t('app.tab.logs'), to: `${root}/logs` },
    { id: 'terminal', label: t('app.tab.terminal'), to: `${root}/terminal` },
    {
      id: 'environment',
      label: t('app.tab.environment'),
      count: component?.env.length || undefined,
      to: `${root}/environment`,
    },
    { id: 'releases', label: t('app.tab.releases'), to: `${root}/releases` },
    {
      id: 'volumes',
      label: t('app.tab.volumes'),
      count: app?.volumes.length || undefined,
      to: `${root}/volumes`,
    },
    { id: 'settings', label: t('app.tab.settings'), to: `${root}/settings` },
  ]

  const commands = useMemo<Scope | undefined>(() => {
    const go = (to: string) => () => void navigate({ to })
    const run = (what: 'restart' | 'stop' | 'start') => () =>
      void act(place, name, what).then(
        (operation: Operation) =>
          toast(
            'ok',
            t(`app.asked.${what}`, { app: name }),
            t('app.askedAs', { id: operation.id.slice(0, 8) }),
          ),
        (thrown: unknown) => toast('bad', Problem.of(thrown).title, Problem.of(thrown).remedy),
      )
    return {
      name,
      commands: [
        {
          id: 'deploy',
          label: t('app.deployAgain'),
          icon: Rocket,
          keys: ['D'],
          run: () => setDeploying(true),
        },
        off
          ? { id: 'start', label: t('app.start'), icon: Play, run: run('start') }
          : {
              id: 'restart',
              label: t('app.restart'),
              hint: t('app.restartHint'),
              icon: RotateCcw,
              keys: ['Shift', 'R'],
              run: run('restart'),
            },
        { id: 'logs', label: t('app.followLogs'), icon: FileText, keys: ['L'], run: go(`${root}/logs`) },
        {
          id: 'terminal',
          label: t('app.openTerminal'),
          icon: SquareTerminal,
          keys: ['T'],
          run: go(`${root}/terminal`),
        },
        {
          id: 'rollback',
          label: t('app.rollback'),
          hint: t('app.rollbackHint'),
          icon: Undo2,
          run: go(`${root}/releases`),
        },
        { id: 'copy', label: t('copy.menu'), icon: CopyPlus, run: () => setGoing('copy') },
        { id: 'promote', label: t('promote.menu'), icon: CircleArrowUp, run: () => setGoing('promote') },
        ...(off ? [] : [{ id: 'stop', label: t('app.stop'), icon: Square, run: run('stop') }]),
      ],
    }
  }, [name, t, off, place, navigate, root])
  useCommands(app ? commands : undefined)
  const command = (id: string) => commands?.commands.find((one) => one.id === id)?.run()
  const go = (to: string) => () => void navigate({ to })
  useKeys({
    d: () => app && setDeploying(true),
    'shift+r': () => app && !off && command('restart'),
    l: go(`${root}/logs`),
    t: go(`${root}/terminal`),
    e: go(`${root}/environment`),
  })

  const crumbs = [
    <Link key="env" to="/t/$team/e/$env" params={place} className="hover:text-fg">
      {place.env}
    </Link>,
    <Link key="apps" to="/t/$team/e/$env/apps" params={place} className="hover:text-fg">
      {t('nav.applications')}
    </Link>,
    <h1 key="app" className="flex min-w-0 items-center gap-2">
      <span
        className="grid h-5 w-5 shrink-0 place-items-center rounded-md bg-accent-soft text-accent-fg"
        aria-hidden
      >
        <Box size={12} />
      </span>
      <span className="truncate">{app?.display_name ?? name}</span>
    </h1>,
  ]
  if (!app)
    return (
      <>
        <Top crumbs={crumbs} />
        <Page>
          {application.problem ? (
            <ProblemPanel problem={application.problem} onRetry={application.refresh} />
          ) : (
            <>
              <LoadingCards cards={1} />
              <div className="card">
                <LoadingRows />
              </div>
            </>
          )}
        </Page>
      </>
    )
  const url = app.urls[0]
  return (
    <div className="flex min-h-full flex-col md:h-full">
      <Top
        crumbs={crumbs}
        right={
          <>
            {app.components.length > 1 && (
              <Select
                aria-label={t('app.component')}
                value={component?.name}
                onChange={(event) => setPicked(event.target.value)}
              >
                {app.components.map((one) => (
                  <option key={one.name}>{one.name}</option>
                ))}
              </Select>
            )}
            <Status state={asState(app.status)} pill>
              {app.status === 'deploying' && app.target_release
                ? t('app.deployingRelease', { release: `r${app.target_release}` })
                : undefined}
            </Status>
            {url && (
              <ButtonAnchor href={url} target="_blank" rel="noreferrer" className="max-md:hidden">
                <ExternalLink size={14} aria-hidden />
                {t('common.open')}
              </ButtonAnchor>
            )}
            <Button variant="primary" onClick={() => setDeploying(true)} disabled={!mayDeploy}>
              <Rocket size={14} aria-hidden />
              {t('app.deploy')}
              <Kbd on>D</Kbd>
            </Button>
            <Menu.Root>
              <Menu.Trigger
                aria-label={t('app.more')}
                className="touch grid h-8 w-8 place-items-center rounded-md border border-line-2 bg-surface shadow-1 hover:bg-hover"
              >
                <Ellipsis size={15} aria-hidden />
              </Menu.Trigger>
              <Menu.Portal>
                <Menu.Positioner align="end" sideOffset={6} className="z-40">
                  <Menu.Popup className="min-w-52 rounded-xl border border-line-2 bg-raised p-1.5 shadow-2 outline-none">
                    {commands?.commands
                      .filter(({ id }) => id !== 'deploy')
                      .map((one) => (
                        <Menu.Item
                          key={one.id}
                          className={item}
                          onClick={one.run}
                          disabled={!mayOperate && ['restart', 'stop', 'start'].includes(one.id)}
                        >
                          {one.icon && <one.icon size={14} aria-hidden className="text-fg-3" />}
                          <span className="flex-1">{one.label}</span>
                          {one.keys && <span className="text-2xs text-fg-3">{one.keys.join(' ')}</span>}
                        </Menu.Item>
                      ))}
                  </Menu.Popup>
                </Menu.Positioner>
              </Menu.Portal>
            </Menu.Root>
          </>
        }
        tabs={<TabBar items={tabs} value={tab} label={name} />}
      />
      <AppProvider value={{ app, component, etag: application.etag, refresh: application.refresh }}>
        <Outlet />
      </AppProvider>
      <CopyDialog app={name} open={going === 'copy'} onClose={() => setGoing(undefined)} />
      <PromoteDialog app={name} open={going === 'promote'} onClose={() => setGoing(undefined)} />
      <DeployDialog
        app={name}
        open={deploying}
        onClose={() => setDeploying(false)}
        built={!!component?.built_from}
      />
    </div>
  )
}

/** Deploys what is there again: from its source, or with its image's name resolved anew. */
function DeployDialog({
  app,
  open,
  onClose,
  built,
}: {
  app: string
  open: boolean
  onClose: () => void
  built: boolean
}) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const start = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const operation = await deploy(place, app, { pull: !built })
      onClose()
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('app.deployTitle', { app })}>
      <p className="text-sm text-fg-2">{built ? t('app.deployBuilt') : t('app.deployImage')}</p>
      <p className="mt-2 text-sm text-fg-2">{t('app.deployOther')}</p>
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex flex-wrap gap-2">
        <Button variant="primary" onClick={() => void start()} disabled={busy}>
          <Rocket size={14} aria-hidden />
          {t('app.deployNow')}
        </Button>
        <Button
          onClick={() => {
            onClose()
            void navigate({ to: '/t/$team/e/$env/create', params: place, search: { app } })
          }}
        >
          {t('app.deployFrom')}
        </Button>
      </div>
    </Dialog>
  )
}
