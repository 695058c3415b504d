/** Every route of the environment: where it leads and what goes over it. Routes belong to applications and are edited there. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ExternalLink, Route } from 'lucide-react'
import { useRef } from 'react'
import { useRoutes, useSession } from '../api/queries'
import type { RouteDetail } from '../api/types'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Page } from '../ui/card'
import { ButtonLink } from '../ui/controls'
import { cx } from '../ui/cx'
import { Find } from '../ui/find'
import { Empty, LoadingRows, ProblemPanel } from '../ui/panels'
import { useRowKeys } from './rows'

export default function Gateway() {
  const { t } = useI18n()
  const place = usePlace()
  const routes = useRoutes()
  const session = useSession()
  const { find = '' } = useSearch({ strict: false }) as { find?: string }
  const navigate = useNavigate()
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  const all = routes.data?.items ?? []
  const shown = all.filter((route) =>
    `${route.host}${route.path} ${route.application} ${route.component}`
      .toLowerCase()
      .includes(find.toLowerCase()),
  )
  return (
    <>
      <Top
        crumbs={[place.env, t('nav.gateway')]}
        right={
          session.data && (
            <span className="text-xs text-fg-3">{t('gateway.at', { address: session.data.gateway })}</span>
          )
        }
      />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{t('nav.gateway')}</h1>
        {routes.problem && !routes.data ? (
          <ProblemPanel problem={routes.problem} onRetry={routes.refresh} />
        ) : !routes.data ? (
          <div className="card">
            <LoadingRows />
          </div>
        ) : all.length === 0 ? (
          <div className="card">
            <Empty icon={Route} title={t('gateway.empty')} text={t('gateway.emptyText')}>
              <ButtonLink variant="primary" to="/t/$team/e/$env/create" params={place}>
                {t('nav.create')}
              </ButtonLink>
            </Empty>
          </div>
        ) : (
          <>
            <Find
              field={field}
              label={t('gateway.find')}
              value={find}
              onFind={(words) =>
                void navigate({
                  to: '/t/$team/e/$env/gateway',
                  params: place,
                  search: words ? { find: words } : {},
                  replace: true,
                })
              }
            />
            {shown.length ? (
              <Table routes={shown} />
            ) : (
              <p className="px-1 text-sm text-fg-2">{t('gateway.noneFound')}</p>
            )}
            <p className="px-1 text-xs text-fg-3">{t('gateway.edit')}</p>
          </>
        )}
      </Page>
    </>
  )
}

function Table({ routes }: { routes: RouteDetail[] }) {
  const { t, number } = useI18n()
  const place = usePlace()
  const row = useRowKeys(routes.length)
  return (
    <div className="card overflow-hidden">
      <table className="w-full text-sm">
        <thead>
          <tr className="table-head border-b bg-sunken">
            <th className="!pl-4">{t('gateway.host')}</th>
            <th>{t('gateway.backend')}</th>
            <th className="!text-right max-md:hidden">{t('gateway.rate')}</th>
            <th className="!text-right max-md:hidden">P95</th>
            <th className="!pr-4 !text-right max-md:hidden">{t('load.errors')}</th>
          </tr>
        </thead>
        <tbody>
          {routes.map((route, index) => {
            const { traffic } = route
            return (
              <tr
                key={route.id}
                className="border-t first:border-t-0 hover:bg-hover [&>td]:h-[50px] [&>td]:px-2"
              >
                <td className="!pl-4">
                  <a
                    ref={row(index)}
                    href={route.url}
                    target="_blank"
                    rel="noreferrer"
                    className="block min-w-0 outline-offset-2"
                  >
                    <span className="flex items-center gap-1.5 font-medium leading-5">
                      <span className="break-all">{route.host}</span>
                      <ExternalLink size={12} aria-hidden className="shrink-0 text-fg-3" />
                    </span>
                    <span className="mono text-fg-3">
                      {route.path}
                      {route.exact && <span className="font-sans"> {t('gateway.exact')}</span>}
                    </span>
                  </a>
                </td>
                <td>
                  <Link
                    to="/t/$team/e/$env/apps/$app"
                    params={{ ...place, app: route.application }}
                    className="inline-flex min-h-6 items-center gap-1.5 text-xs hover:underline"
                  >
                    <i aria-hidden className="h-2 w-2 shrink-0 rounded-sm bg-c1" />
                    <span className="break-all">
                      {route.application === route.component
                        ? route.application
                        : `${route.application} · ${route.component}`}
                      <span className="text-fg-3"> {route.port}</span>
                    </span>
                  </Link>
                </td>
                <td className="num whitespace-nowrap text-right max-md:hidden">
                  {traffic
                    ? number(traffic.requests_per_second, traffic.requests_per_second < 10 ? 1 : 0)
                    : '–'}
                </td>
                <td className="num whitespace-nowrap text-right max-md:hidden">
                  {traffic ? (
                    <>
                      {number(traffic.p95_ms, traffic.p95_ms < 10 ? 1 : 0)}{' '}
                      <span className="text-xs text-fg-3">ms</span>
                    </>
                  ) : (
                    '–'
                  )}
                </td>
                <td
                  className={cx(
                    'num whitespace-nowrap !pr-4 text-right max-md:hidden',
                    traffic && traffic.errors > 0.01 && 'font-semibold text-bad',
                  )}
                >
                  {traffic ? (
                    <>
                      {number(traffic.errors * 100, 2)} <span className="text-xs">%</span>
                    </>
                  ) : (
                    '–'
                  )}
                </td>
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
