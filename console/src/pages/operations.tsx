/** Everything anybody asked for, the newest first. */
import { Link } from '@tanstack/react-router'
import { History, Plus } from 'lucide-react'
import { useOperations } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Page } from '../ui/card'
import { Avatar, Button, ButtonLink } from '../ui/controls'
import { useNow } from '../ui/now'
import { Empty, LoadingRows, ProblemPanel } from '../ui/panels'
import { Status } from '../ui/status'
import { elapsed, stateOf, titleOf } from './operation-view'
import { useRowKeys } from './rows'

export default function Operations() {
  const i18n = useI18n()
  const { t, when, utc, duration, clock } = i18n
  const place = usePlace()
  const operations = useOperations()
  const all = operations.data ?? []
  const now = useNow(all.some((operation) => !operation.outcome))
  const row = useRowKeys(all.length)
  return (
    <>
      <Top crumbs={[place.env, t('nav.operations')]} />
      <Page width="max-w-[1080px]">
        <h1 className="sr-only">{t('nav.operations')}</h1>
        {operations.problem && !operations.data ? (
          <ProblemPanel problem={operations.problem} onRetry={operations.refresh} />
        ) : !operations.data ? (
          <div className="card">
            <LoadingRows rows={8} />
          </div>
        ) : all.length === 0 ? (
          <div className="card">
            <Empty icon={History} title={t('operations.empty')} text={t('operations.emptyText')}>
              <ButtonLink variant="primary" to="/t/$team/e/$env/create" params={place}>
                <Plus size={14} aria-hidden />
                {t('nav.create')}
              </ButtonLink>
            </Empty>
          </div>
        ) : (
          <>
            <ul className="card divide-y divide-line overflow-hidden">
              {all.map((operation, index) => (
                <li key={operation.id}>
                  <Link
                    ref={row(index)}
                    to="/t/$team/e/$env/operations/$id"
                    params={{ ...place, id: operation.id }}
                    className="grid min-h-[50px] grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 px-4 py-2 outline-offset-[-2px] hover:bg-hover md:grid-cols-[128px_minmax(0,1fr)_150px_96px_120px]"
                  >
                    <span className="text-xs max-md:order-2 max-md:text-right">
                      <Status state={stateOf(operation)} />
                    </span>
                    <span className="min-w-0">
                      <span className="block truncate font-medium">{titleOf(operation, i18n)}</span>
                      <span className="block truncate text-xs text-fg-3">
                        {operation.outcome?.outcome === 'failed'
                          ? operation.outcome.problem.title
                          : operation.title}
                      </span>
                    </span>
                    <span className="flex min-w-0 items-center gap-1.5 text-xs text-fg-2 max-md:hidden">
                      <Avatar name={operation.actor} size={16} />
                      <span className="truncate">{operation.actor}</span>
                    </span>
                    <span className="num text-right text-xs text-fg-2 max-md:hidden">
                      {operation.outcome ? duration(elapsed(operation, now)) : clock(elapsed(operation, now))}
                    </span>
                    <span
                      className="num text-right text-xs text-fg-3 max-md:hidden"
                      title={utc(operation.asked_at)}
                    >
                      {when(operation.asked_at, now)}
                    </span>
                  </Link>
                </li>
              ))}
            </ul>
            {operations.more && (
              <div className="flex justify-center">
                <Button onClick={operations.more} disabled={operations.loadingMore}>
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
