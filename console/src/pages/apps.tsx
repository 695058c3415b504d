/** All applications: state, release, load, where they are reached. */
import { Link } from '@tanstack/react-router'
import { Box, Plus } from 'lucide-react'
import { useRef, useState } from 'react'
import { useApplications, useMay } from '../api/queries'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Page } from '../ui/card'
import { Button, ButtonLink, Kbd } from '../ui/controls'
import { Find } from '../ui/find'
import { Empty, LoadingRows, ProblemPanel } from '../ui/panels'
import { asState, Status } from '../ui/status'
import { hintOf, shortUrl } from './application-view'
import { BatchBar, Tick, useBatch, useChosen } from './batch'
import { useRowKeys } from './rows'

export default function Apps() {
  const i18n = useI18n()
  const { t, number, bytes } = i18n
  const place = usePlace()
  const applications = useApplications()
  const [find, setFind] = useState('')
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  const shown = (applications.data ?? []).filter((app) =>
    `${app.name} ${app.display_name ?? ''} ${app.urls.join(' ')}`.toLowerCase().includes(find.toLowerCase()),
  )
  const row = useRowKeys(shown.length)
  const picked = useChosen(shown.map((app) => app.name))
  const batch = useBatch()
  const mayOperate = useMay('application:operate')
  return (
    <>
      <Top
        crumbs={[place.env, t('nav.applications')]}
        right={
          <ButtonLink variant="primary" to="/t/$team/e/$env/create" params={place}>
            <Plus size={14} aria-hidden />
            {t('nav.create')}
            <Kbd on>C</Kbd>
          </ButtonLink>
        }
      />
      <Page width="max-w-[1080px]">
        <h1 className="sr-only">{t('nav.applications')}</h1>
        {applications.problem && !applications.data ? (
          <ProblemPanel problem={applications.problem} onRetry={applications.refresh} />
        ) : !applications.data ? (
          <div className="card">
            <LoadingRows />
          </div>
        ) : applications.data.length === 0 ? (
          <div className="card">
            <Empty icon={Box} title={t('apps.empty')} text={t('apps.emptyText')}>
              <ButtonLink variant="primary" to="/t/$team/e/$env/welcome" params={place}>
                {t('apps.emptyNext')}
              </ButtonLink>
            </Empty>
          </div>
        ) : (
          <>
            <Find field={field} label={t('apps.find')} value={find} onFind={setFind} />
            {picked.chosen.length > 0 && (
              <BatchBar
                count={picked.chosen.length}
                may={mayOperate}
                busy={batch.busy}
                onAct={(what) => void batch.run(what, picked.chosen).then(picked.none)}
                onNone={picked.none}
              />
            )}
            {shown.length === 0 ? (
              <p className="px-1 text-sm text-fg-2">{t('apps.noneFound', { text: find })}</p>
            ) : (
              <ul className="card divide-y divide-line overflow-hidden">
                {shown.map((app, index) => {
                  const memory = app.memory_bytes != null ? bytes(app.memory_bytes) : undefined
                  return (
                    <li key={app.id} className="flex items-center hover:bg-hover">
                      <span className="flex pl-4">
                        <Tick
                          name={app.name}
                          checked={picked.has(app.name)}
                          onChange={() => picked.toggle(app.name)}
                        />
                      </span>
                      <Link
                        ref={row(index)}
                        to="/t/$team/e/$env/apps/$app"
                        params={{ ...place, app: app.name }}
                        className="grid min-h-[54px] min-w-0 flex-1 grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 px-4 py-2 outline-offset-[-2px] md:grid-cols-[minmax(0,1.2fr)_130px_minmax(0,1fr)_76px_64px_84px]"
                      >
                        <span className="min-w-0">
                          <span className="block truncate text-base font-semibold">
                            {app.display_name ?? app.name}
                          </span>
                          <span className="block truncate text-xs text-fg-3">{hintOf(app, i18n)}</span>
                        </span>
                        <span className="text-xs">
                          <Status state={asState(app.status)} />
                        </span>
                        <span className="truncate text-xs text-fg-2 max-md:hidden">
                          {app.urls[0] && shortUrl(app.urls[0])}
                        </span>
                        <span className="num text-right text-xs text-fg-2 max-md:hidden">
                          {app.requests_per_second != null &&
                            t('route.perSecond', { n: number(app.requests_per_second, 1) })}
                        </span>
                        <span className="num text-right text-xs text-fg-2 max-md:hidden">
                          {app.cpu_millis != null && number(app.cpu_millis / 1000, 2)}
                          {app.cpu_millis != null && <span className="text-fg-3"> CPU</span>}
                        </span>
                        <span className="num text-right text-xs text-fg-2 max-md:hidden">
                          {memory && (
                            <>
                              {memory.value} <span className="text-fg-3">{memory.unit}</span>
                            </>
                          )}
                        </span>
                      </Link>
                    </li>
                  )
                })}
              </ul>
            )}
            {applications.more && (
              <div className="flex justify-center">
                <Button onClick={applications.more} disabled={applications.loadingMore}>
                  {t('common.more')}
                </Button>
              </div>
            )}
          </>
        )}
      </Page>
    </>
  )
}
