/** What of ours runs on a cluster: one row a workload, with the application it belongs to. */
import { Link } from '@tanstack/react-router'
import type { WorkloadOverview } from '../api/types'
import { useI18n } from '../i18n'
import { Status } from '../ui/status'

export function WorkloadsTable({ workloads }: { workloads: WorkloadOverview[] }) {
  const { t } = useI18n()
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="table-head border-y bg-sunken">
          <th className="!pl-4">{t('cluster.application')}</th>
          <th className="max-lg:hidden">{t('cluster.kind')}</th>
          <th className="max-md:hidden">{t('cluster.namespace')}</th>
          <th>{t('cluster.ready')}</th>
          <th className="!pr-4 max-lg:hidden">{t('cluster.onNodes')}</th>
        </tr>
      </thead>
      <tbody>
        {workloads.map((one) => (
          <Row key={`${one.namespace}/${one.kind}/${one.name}`} workload={one} />
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

function Row({ workload }: { workload: WorkloadOverview }) {
  const { t } = useI18n()
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
        <div className="break-all text-xs text-fg-3 md:hidden">{workload.namespace}</div>
      </td>
      <td className="px-2 py-2 text-xs leading-5 text-fg-2 max-lg:hidden">{workload.kind}</td>
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
