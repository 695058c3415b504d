/** What surrounds every page of a team's environment: navigation, running operations, palette, keys, toasts. */
import { Menu } from '@base-ui/react/menu'
import { Tooltip } from '@base-ui/react/tooltip'
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router'
import {
  Box,
  Container,
  Ellipsis,
  HardDrive,
  History,
  House,
  type LucideIcon,
  Network,
  Plus,
  Route,
  ScrollText,
  Search,
  Waypoints,
} from 'lucide-react'
import { type ReactNode, useEffect } from 'react'
import { useLive } from '../api/live'
import { useMay, useOverview, useSession } from '../api/queries'
import { AwayBanner } from '../clusters/banner'
import { useI18n } from '../i18n'
import { Avatar, Kbd } from '../ui/controls'
import { cx } from '../ui/cx'
import { StaleBar } from '../ui/panels'
import { asState, StatusDot } from '../ui/status'
import { Toasts } from '../ui/toast'
import { useKeys } from './keys'
import { KeysHelp } from './keys-help'
import { openPalette, Palette } from './palette'
import { PersonMenuItems } from './person'
import { usePlace } from './place'
import { PlaceSwitcher } from './switcher'
import { RunningCard } from './tray'

const paths = {
  overview: '/t/$team/e/$env',
  apps: '/t/$team/e/$env/apps',
  gateway: '/t/$team/e/$env/gateway',
  operations: '/t/$team/e/$env/operations',
  volumes: '/t/$team/e/$env/volumes',
  create: '/t/$team/e/$env/create',
  topology: '/t/$team/e/$env/topology',
  images: '/t/$team/e/$env/images',
  clusters: '/t/$team/e/$env/org/clusters',
  audit: '/t/$team/e/$env/org/audit',
} as const
type PageName = keyof typeof paths

/** Which entry of the navigation a path belongs to. */
function usePage(): PageName | undefined {
  const path = useRouterState({ select: (state) => state.location.pathname })
  const rest = path.replace(/^\/t\/[^/]+\/e\/[^/]+\/?/, '')
  const parts = rest.split('/')
  const head = (parts[0] === 'org' ? parts[1] : parts[0]) ?? ''
  if (head === '' || head === 'welcome') return 'overview'
  if (head === 'workloads') return 'clusters'
  return head in paths ? (head as PageName) : undefined
}

function Entry({
  page,
  icon: Icon,
  label,
  badge,
  keys,
}: {
  page: PageName
  icon: LucideIcon
  label: string
  badge?: ReactNode
  keys?: string
}) {
  const place = usePlace()
  const path = useRouterState({ select: (state) => state.location.pathname })
  // An application has an entry of its own below.
  const on = usePage() === page && !(page === 'apps' && /\/apps\/./.test(path))
  return (
    <Link
      to={paths[page]}
      params={place}
      aria-current={on ? 'page' : undefined}
      className={cx(
        'group flex h-[30px] items-center gap-2.5 rounded-md px-2 text-sm',
        on ? 'bg-hover font-medium text-fg' : 'text-fg-2 hover:bg-hover hover:text-fg',
      )}
    >
      <Icon size={15} strokeWidth={1.9} aria-hidden className={on ? 'text-accent-fg' : 'text-fg-3'} />
      <span className="flex-1 truncate">{label}</span>
      {badge}
      {keys && !badge && (
        <span aria-hidden className="hidden text-2xs text-fg-3 group-hover:inline group-focus-visible:inline">
          {keys}
        </span>
      )}
    </Link>
  )
}

function Side() {
  const { t } = useI18n()
  const place = usePlace()
  const session = useSession()
  const overview = useOverview()
  const mayClusters = useMay('cluster:read')
  const mayAudit = useMay('audit:view')
  const mayImages = useMay('image:read')
  const applications = overview.data?.applications.items ?? []
  const total = overview.data?.applications_total ?? 0
  const path = useRouterState({ select: (state) => state.location.pathname })
  const name = session.data?.user.display_name ?? session.data?.user.name ?? ''
  return (
    <nav aria-label={t('nav.main')} className="hidden min-h-0 flex-col border-r bg-bg px-2.5 pb-2.5 md:flex">
      <div className="-mx-0.5 mt-2.5 flex">
        <PlaceSwitcher size={26} />
      </div>
      <button
        type="button"
        onClick={openPalette}
        className="mt-2 flex h-8 shrink-0 items-center gap-2 rounded-md border border-line-2 bg-surface px-2 text-left text-sm text-fg-3 shadow-1 hover:bg-hover"
      >
        <Search size={14} aria-hidden />
        <span className="flex-1 truncate text-xs">{t('nav.search')}</span>
        <Kbd>Ctrl K</Kbd>
      </button>
      <div className="mt-3 min-h-0 space-y-px overflow-y-auto">
        <Entry page="overview" icon={House} label={t('nav.overview')} keys="G O" />
        <Entry
          page="apps"
          icon={Box}
          label={t('nav.applications')}
          badge={total ? <span className="num text-2xs text-fg-3">{total}</span> : undefined}
        />
        {applications.length > 0 && (
          <ul className="mb-1 ml-[15px] space-y-px border-l pl-2">
            {applications.slice(0, 12).map((app) => {
              const on = `${path}/`.startsWith(`/t/${place.team}/e/${place.env}/apps/${app.name}/`)
              return (
                <li key={app.name}>
                  <Link
                    to="/t/$team/e/$env/apps/$app"
                    params={{ ...place, app: app.name }}
                    aria-current={on ? 'true' : undefined}
                    className={cx(
                      'flex h-7 items-center gap-2 rounded-md px-2 text-sm',
                      on ? 'bg-hover font-medium text-fg' : 'text-fg-2 hover:bg-hover',
                    )}
                  >
                    <span className="flex-1 truncate">{app.name}</span>
                    <StatusDot state={asState(app.status)} size={12} />
                  </Link>
                </li>
              )
            })}
          </ul>
        )}
        <Entry page="topology" icon={Waypoints} label={t('nav.topology')} keys="G T" />
        <Entry page="gateway" icon={Route} label={t('nav.gateway')} keys="G G" />
        <Entry page="volumes" icon={HardDrive} label={t('nav.volumes')} />
        {mayImages && <Entry page="images" icon={Container} label={t('nav.images')} />}
        <div className="eyebrow px-2 pb-1 pt-3.5">{t('nav.deliver')}</div>
        <Entry page="create" icon={Plus} label={t('nav.create')} keys="C" />
        <Entry page="operations" icon={History} label={t('nav.operations')} keys="G P" />
        {(mayClusters || mayAudit) && <div className="eyebrow px-2 pb-1 pt-3.5">{t('nav.org')}</div>}
        {mayClusters && <Entry page="clusters" icon={Network} label={t('nav.clusters')} keys="G C" />}
        {mayAudit && <Entry page="audit" icon={ScrollText} label={t('nav.audit')} />}
      </div>
      <div className="mt-auto space-y-2 pt-3">
        {(overview.data?.running ?? []).slice(0, 3).map((operation) => (
          <RunningCard key={operation.id} operation={operation} />
        ))}
        <Menu.Root>
          <Menu.Trigger className="flex w-full items-center gap-2 rounded-md px-1 py-1 text-left hover:bg-hover">
            <Avatar name={name} size={24} />
            <span className="min-w-0 flex-1 truncate text-sm text-fg-2">{name}</span>
            <Ellipsis size={15} className="text-fg-3" aria-hidden />
            <span className="sr-only">{t('nav.person')}</span>
          </Menu.Trigger>
          <PersonMenuItems side="top" />
        </Menu.Root>
      </div>
    </nav>
  )
}

function PhoneTop() {
  const { t } = useI18n()
  const session = useSession()
  return (
    <div className="flex h-14 shrink-0 items-center gap-2.5 border-b bg-surface px-4 md:hidden">
      <PlaceSwitcher size={28} />
      <button
        type="button"
        aria-label={t('nav.search')}
        onClick={openPalette}
        className="ml-auto grid h-11 w-11 place-items-center text-fg-2"
      >
        <Search size={20} aria-hidden />
      </button>
      <Menu.Root>
        <Menu.Trigger aria-label={t('nav.person')} className="grid h-11 w-11 place-items-center rounded-full">
          <Avatar name={session.data?.user.name ?? ''} size={32} />
        </Menu.Trigger>
        <PersonMenuItems side="bottom" />
      </Menu.Root>
    </div>
  )
}

function PhoneBar() {
  const { t } = useI18n()
  const place = usePlace()
  const page = usePage()
  const entries: [PageName, LucideIcon, string][] = [
    ['overview', House, t('nav.overview')],
    ['apps', Box, t('nav.apps')],
    ['create', Plus, t('nav.create')],
    ['gateway', Route, t('nav.gateway')],
    ['operations', History, t('nav.operations')],
  ]
  return (
    <nav
      aria-label={t('nav.main')}
      className="grid shrink-0 grid-cols-5 border-t bg-surface pb-[env(safe-area-inset-bottom)] md:hidden"
    >
      {entries.map(([to, Icon, label]) => (
        <Link
          key={to}
          to={paths[to]}
          params={place}
          aria-current={page === to ? 'page' : undefined}
          className={cx(
            'flex h-14 min-w-0 flex-col items-center justify-center gap-0.5 text-2xs font-medium outline-offset-[-3px]',
            page === to ? 'text-accent-fg' : 'text-fg-3',
          )}
        >
          <Icon size={21} strokeWidth={1.9} aria-hidden />
          <span className="max-w-full truncate px-0.5">{label}</span>
        </Link>
      ))}
    </nav>
  )
}

export function Shell() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const live = useLive(place)
  const go = (page: PageName) => () => void navigate({ to: paths[page], params: place })
  useKeys({
    'g o': go('overview'),
    'g a': go('apps'),
    'g t': go('topology'),
    'g g': go('gateway'),
    'g p': go('operations'),
    'g c': go('clusters'),
    c: go('create'),
  })
  const path = useRouterState({ select: (state) => state.location.pathname })
  useEffect(() => {
    document.title = `${path.split('/').slice(5).filter(Boolean).join(' · ') || t('nav.overview')} · Pluvio`
  }, [path, t])
  return (
    <Tooltip.Provider delay={300}>
      <a
        href="#main"
        className="sr-only focus:not-sr-only focus:absolute focus:left-3 focus:top-3 focus:z-50 focus:rounded-md focus:bg-surface focus:px-3 focus:py-2 focus:shadow-2"
      >
        {t('nav.skip')}
      </a>
      <div className="grid h-full grid-cols-1 md:grid-cols-[216px_minmax(0,1fr)]">
        <Side />
        <div className="flex min-h-0 min-w-0 flex-col">
          <PhoneTop />
          {live.stale && <StaleBar seen={live.age} onRetry={live.reconnect} />}
          {!path.includes('/org/') && <AwayBanner />}
          <main id="main" tabIndex={-1} className="min-h-0 min-w-0 flex-1 overflow-auto bg-bg outline-none">
            <Outlet />
          </main>
          <PhoneBar />
        </div>
      </div>
      <Palette />
      <KeysHelp />
      <Toasts />
    </Tooltip.Provider>
  )
}
