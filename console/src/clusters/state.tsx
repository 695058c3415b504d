/** How a cluster is: its state, since when, and why it does not answer. */
import type { ClusterState, ClusterSummary } from '../api/types'
import { useI18n } from '../i18n'
import { Prose } from '../ui/prose'
import { type State, Status } from '../ui/status'

const states: Record<ClusterState, State> = {
  connected: 'running',
  connecting: 'deploying',
  away: 'degraded',
  leaving: 'draining',
}

export function ClusterStatus({ cluster, pill }: { cluster: ClusterSummary; pill?: boolean }) {
  const { t } = useI18n()
  return (
    <Status state={states[cluster.state]} pill={pill}>
      {t(`cluster.state.${cluster.state}`)}
    </Status>
  )
}

/** `since 12:24, 5 min ago`, of one that does not answer. */
export function Since({ at, className }: { at: string; className?: string }) {
  const { t, when, ago, utc } = useI18n()
  return (
    <span className={className} title={utc(at)}>
      {t('cluster.since', { when: when(at), ago: ago(at) })}
    </span>
  )
}

/** Cause and remedy, as the server told them. */
export function Away({ cluster }: { cluster: ClusterSummary }) {
  const { t } = useI18n()
  const { problem } = cluster
  if (!problem) return null
  return (
    <div className="break-words text-xs leading-[18px] text-fg-2">
      <Prose text={problem.cause} />
      {problem.remedy && (
        <span className="block">
          <b className="font-semibold text-fg">{t('problem.remedy')}</b> <Prose text={problem.remedy} />
        </span>
      )}
    </div>
  )
}
