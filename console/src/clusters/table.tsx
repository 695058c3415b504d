/** Clusters as a table: what each is, whether it answers, which environments are on it. */
import { Link } from '@tanstack/react-router'
import { Settings2, Trash2 } from 'lucide-react'
import { useMay } from '../api/queries'
import type { ClusterSummary } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Button } from '../ui/controls'
import { cx } from '../ui/cx'
import { Away, ClusterStatus, Since } from './state'

export type Asked = { what: 'change' | 'remove'; cluster: ClusterSummary }

export function ClustersTable({
  clusters,
  ask,
}: {
  clusters: ClusterSummary[]
  ask: (asked: Asked) => void
}) {
  const { t } = useI18n()
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="table-head border-y bg-sunken">
          <th className="!pl-4">{t('cluster.name')}</th>
          <th className="max-md:hidden">{t('cluster.version')}</th>
          <th>{t('cluster.state')}</th>
          <th className="max-md:hidden">{t('cluster.environments')}</th>
          <th className="!pr-4 max-md:hidden">
            <span className="sr-only">{t('cluster.actions')}</span>
          </th>
        </tr>
      </thead>
      {clusters.map((cluster) => (
        <Row key={cluster.name} cluster={cluster} ask={(what) => ask({ what, cluster })} />
      ))}
    </table>
  )
}

function Row({ cluster, ask }: { cluster: ClusterSummary; ask: (what: Asked['what']) => void }) {
  const { t } = useI18n()
  const place = usePlace()
  const mayManage = useMay('cluster:manage')
  const added = cluster.kind === 'kubernetes'
  const kind = `${t(`cluster.kind.${cluster.kind}`)} ${cluster.facts?.version ?? ''}`
  const on = cluster.environments.length ? cluster.environments.join(', ') : t('cluster.noEnvironments')
  return (
    <tbody className="border-t first:border-t-0">
      <tr className="align-top">
        <td className="min-w-0 px-2 py-2.5 !pl-4">
          {added ? (
            <Link
              to="/t/$team/e/$env/org/clusters/$cluster"
              params={{ ...place, cluster: cluster.name }}
              className="font-medium hover:underline"
            >
              {cluster.name}
            </Link>
          ) : (
            <span className="font-medium">{cluster.name}</span>
          )}
          <div className={cx('break-all text-fg-3 max-md:hidden', added ? 'mono' : 'text-xs')}>
            {added ? cluster.address : t('cluster.engine')}
          </div>
          <div className="text-xs text-fg-3 md:hidden">{kind}</div>
          {cluster.environments.length > 0 && (
            <div className="break-words text-xs text-fg-3 md:hidden">{on}</div>
          )}
        </td>
        <td className="px-2 py-2.5 text-xs leading-5 text-fg-2 max-md:hidden">{kind}</td>
        <td className="px-2 py-2.5 text-xs leading-5">
          <ClusterStatus cluster={cluster} />
          {cluster.since && <Since at={cluster.since} className="num block text-fg-3" />}
        </td>
        <td className="px-2 py-2.5 text-xs leading-5 text-fg-2 max-md:hidden">{on}</td>
        <td className="px-2 py-2 !pr-4 max-md:hidden">
          {added && (
            <span className="flex justify-end gap-1">
              <Button
                size="sm"
                square
                variant="ghost"
                aria-label={t('cluster.change', { name: cluster.name })}
                title={t('cluster.change', { name: cluster.name })}
                disabled={!mayManage}
                onClick={() => ask('change')}
              >
                <Settings2 size={14} aria-hidden />
              </Button>
              <Button
                size="sm"
                square
                variant="ghost"
                aria-label={t('cluster.remove', { name: cluster.name })}
                title={t('cluster.remove', { name: cluster.name })}
                disabled={!mayManage}
                onClick={() => ask('remove')}
              >
                <Trash2 size={14} aria-hidden />
              </Button>
            </span>
          )}
        </td>
      </tr>
      {cluster.state === 'away' && cluster.problem && (
        <tr>
          <td colSpan={5} className="px-4 pb-3">
            <Away cluster={cluster} />
          </td>
        </tr>
      )}
    </tbody>
  )
}
