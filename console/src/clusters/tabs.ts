import { useMay } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import type { Tab } from '../shell/top'

/** Clusters, and what runs on all of them. */
export function useClusterTabs(): Tab[] {
  const { t } = useI18n()
  const { team, env } = usePlace()
  const mayClusters = useMay('cluster:read')
  const root = `/t/${team}/e/${env}/org`
  return [
    ...(mayClusters ? [{ id: 'clusters', label: t('nav.clusters'), to: `${root}/clusters` }] : []),
    { id: 'workloads', label: t('nav.workloads'), to: `${root}/workloads` },
  ]
}

/** One cluster, and what is in it for those who run it. */
export function useOneClusterTabs(cluster: string): Tab[] {
  const { t } = useI18n()
  const { team, env } = usePlace()
  const mayManage = useMay('cluster:manage')
  const root = `/t/${team}/e/${env}/org/clusters/${cluster}`
  return [
    { id: 'overview', label: t('nav.overview'), to: root },
    ...(mayManage ? [{ id: 'objects', label: t('object.title'), to: `${root}/objects` }] : []),
  ]
}
