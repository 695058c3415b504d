import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import type { Tab } from '../shell/top'

/** Clusters, and what runs on all of them. */
export function useClusterTabs(): Tab[] {
  const { t } = useI18n()
  const { team, env } = usePlace()
  const root = `/t/${team}/e/${env}/org`
  return [
    { id: 'clusters', label: t('nav.clusters'), to: `${root}/clusters` },
    { id: 'workloads', label: t('nav.workloads'), to: `${root}/workloads` },
  ]
}
