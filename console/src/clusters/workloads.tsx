/** What of ours runs on clusters: one row a workload, with the application it belongs to. */
import { Link } from '@tanstack/react-router'
import type { WorkloadOverview } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Status } from '../ui/status'

export type Placed = WorkloadOverview & { cluster: string }

/** Words that any part of a workload may hold. */
export function matches(workload: Placed, find: string) {
  const { application_name, component, namespace, name, kind, cluster, nodes } = workload
  const all = [application_name, component, namespace, name, kind, cluster, ...Object.keys(nodes)]
  const text = all.join(' ').toLowerCase()
  return find
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word))
}

export function WorkloadsTable({ workloads, clusters }: { workloads: Placed[]; clusters?: boolean }) {
  const { t } = useI18n()
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="table-head border-y bg-sunken">
          <th className="!pl-4">{t('cluster.application')}</th>
          <th className="max-lg:hidden">{t('cluster.kind')}</th>
          {clusters && <th className="max-md:hidden">{t('nav.clusters')}</th>}
          <th className="max-md:hidden">{t('cluster.namespace')}</th>
          <th>{t('cluster.ready')}</th>
          <th className="!pr-4 max-lg:hidden">{t('cluster.onNodes')}</th>
        </tr>
      </thead>
      <tbody>
        {workloads.map((one) => (
          <Row
            key={`${one.cluster}/${one.namespace}/${one.kind}/${one.name}`}
            workload={one}
            clusters={clusters}
          />
        ))}
      </tbody>
    </table>
  )
}

/** The namespace of an environment is TEAM--ENVIRONMENT. */
function placeOf(namespace: string) {
  const [team, env, ...rest] = namespace.split('--')
  return team && env && rest.length === 0 ? { team, env } : undefined
}

function Row({ workload, clusters }: { workload: Placed; clusters?: boolean }) {
  const { t } = useI18n()
  const here = usePlace()
  const place = placeOf(workload.namespace)
  const { ready, wanted } = workload
  const state = ready >= wanted ? (wanted === 0 ? 'stopped' : 'running') : 'degraded'
  const runs = workload.kind === 'Job' || workload.kind === 'CronJob'
  const nodes = Object.entries(workload.nodes)
  return (
    <tr className="border-t align-top first:border-t-0">
      <td className="min-w-0 break-words px-2 py-2 !pl-4">
        {place ? (
          <Link
            to="/t/$team/e/$env/apps/$app"
            params={{ ...place, app: workload.application_name }}
            className="font-medium hover:underline"
          >
            {workload.application_name}
          </Link>
        ) : (
          <span className="font-medium">{workload.application_name}</span>
        )}
        {workload.component && <span className="text-fg-2"> {workload.component}</span>}
        <div className="break-all text-xs text-fg-3 md:hidden">
          {clusters && `${workload.cluster} · `}
          {workload.namespace}
        </div>
      </td>
      <td className="px-2 py-2 text-xs leading-5 text-fg-2 max-lg:hidden">{workload.kind}</td>
      {clusters && (
        <td className="px-2 py-2 text-xs leading-5 max-md:hidden">
          <Link
            to="/t/$team/e/$env/org/clusters/$cluster"
            params={{ ...here, cluster: workload.cluster }}
            className="hover:underline"
          >
            {workload.cluster}
          </Link>
        </td>
      )}
      <td className="mono break-all px-2 py-2 leading-5 text-fg-2 max-md:hidden">{workload.namespace}</td>
      <td className="px-2 py-2 text-xs leading-5">
        {runs && wanted === 0 ? (
          <span className="text-fg-3">–</span>
        ) : (
          <Status state={state}>{t('cluster.readyOf', { ready, wanted })}</Status>
        )}
      </td>
      <td className="break-all px-2 py-2 !pr-4 text-xs leading-5 text-fg-2 max-lg:hidden">
        {nodes.length ? nodes.map(([node, n]) => (n > 1 ? `${node} ×${n}` : node)).join(', ') : '–'}
      </td>
    </tr>
  )
}
