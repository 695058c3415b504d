/** What runs on the engine and on clusters, one row a component; some can be chosen. */
import { Link } from '@tanstack/react-router'
import { useMay } from '../api/queries'
import type { WorkloadSummary } from '../api/types'
import { useI18n } from '../i18n'
import { Tick } from '../pages/batch'
import { usePlace } from '../shell/place'
import { kindWord } from '../topology/words'
import { asState, Status } from '../ui/status'
import { keyOf } from './choose'

export function WorkloadList({
  workloads,
  row,
  picked,
  onAll,
}: {
  workloads: WorkloadSummary[]
  row: (index: number) => (element: HTMLElement | null) => void
  picked: { has: (key: string) => boolean; toggle: (key: string) => void }
  /** Chooses all that are shown, or none. */
  onAll: (all: boolean) => void
}) {
  const { t } = useI18n()
  const all = workloads.every((one) => picked.has(keyOf(one)))
  return (
    <table className="w-full text-sm">
      <thead>
        <tr className="table-head border-y bg-sunken">
          <th className="w-px !pl-4">
            <input
              type="checkbox"
              aria-label={t('batch.all')}
              checked={all}
              onChange={() => onAll(!all)}
              className="touch block h-6 w-6 accent-[var(--accent)]"
            />
          </th>
          <th>{t('cluster.component')}</th>
          <th>{t('workload.state')}</th>
          <th className="max-lg:hidden">{t('workload.kind')}</th>
          <th className="max-md:hidden">{t('workload.environment')}</th>
          <th className="max-md:hidden">{t('workload.cluster')}</th>
          <th className="!pr-4 max-xl:hidden">{t('cluster.onNodes')}</th>
        </tr>
      </thead>
      <tbody>
        {workloads.map((one, index) => (
          <Row
            key={keyOf(one)}
            workload={one}
            link={row(index)}
            chosen={picked.has(keyOf(one))}
            onChoose={() => picked.toggle(keyOf(one))}
          />
        ))}
      </tbody>
    </table>
  )
}

function Row({
  workload: one,
  link,
  chosen,
  onChoose,
}: {
  workload: WorkloadSummary
  link: (element: HTMLElement | null) => void
  chosen: boolean
  onChoose: () => void
}) {
  const i18n = useI18n()
  const { t } = i18n
  const place = usePlace()
  const mayClusters = useMay('cluster:read')
  const there = { team: place.team, env: one.environment, app: one.application }
  const counts = one.instances_wanted > 0 || one.instances_ready > 0
  const nodes = Object.entries(one.nodes ?? {})
  return (
    <tr className="border-t align-top first:border-t-0 hover:bg-hover">
      <td className="py-1.5 !pl-4">
        <Tick name={`${one.application} ${one.component}`} checked={chosen} onChange={onChoose} />
      </td>
      <td className="min-w-0 break-words px-2 py-1.5">
        <Link
          ref={link as (element: HTMLAnchorElement | null) => void}
          to="/t/$team/e/$env/apps/$app"
          params={there}
          className="inline-flex min-h-6 items-center font-medium hover:underline"
        >
          {one.display_name ?? one.application}
        </Link>{' '}
        <Link
          to="/t/$team/e/$env/apps/$app/components"
          params={there}
          search={{ component: one.component }}
          className="inline-flex min-h-6 min-w-6 items-center text-fg-2 hover:underline"
        >
          {one.component}
        </Link>
        <div className="break-all text-xs text-fg-3 md:hidden">
          {one.environment} · {one.cluster}
        </div>
      </td>
      <td className="px-2 py-2 text-xs leading-5">
        <Status state={asState(one.status)} />
        {counts && (
          <span className="num block text-fg-3">
            {t('cluster.readyOf', { ready: one.instances_ready, wanted: one.instances_wanted })}
          </span>
        )}
      </td>
      <td className="px-2 py-2 text-xs leading-5 text-fg-2 max-lg:hidden">{kindWord(one.kind, i18n)}</td>
      <td className="px-2 py-2 text-xs leading-5 max-md:hidden">
        {one.environment}
        {one.namespace && <span className="mono block break-all text-fg-3">{one.namespace}</span>}
      </td>
      <td className="px-2 py-2 text-xs leading-5 max-md:hidden">
        {one.runtime === 'kubernetes' && mayClusters ? (
          <Link
            to="/t/$team/e/$env/org/clusters/$cluster"
            params={{ ...place, cluster: one.cluster }}
            className="hover:underline"
          >
            {one.cluster}
          </Link>
        ) : (
          one.cluster
        )}
        <span className="block text-fg-3">{t(`cluster.kind.${one.runtime}`)}</span>
      </td>
      <td className="break-all px-2 py-2 !pr-4 text-xs leading-5 text-fg-2 max-xl:hidden">
        {one.runtime !== 'kubernetes'
          ? t('workload.thisMachine')
          : nodes.length
            ? nodes.map(([node, n]) => (n > 1 ? `${node} ×${n}` : node)).join(', ')
            : '–'}
      </td>
    </tr>
  )
}
