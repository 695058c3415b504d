/** What Pluvio runs, over all clusters: one list. */
import { Boxes } from 'lucide-react'
import { useState } from 'react'
import { useClusterOverviews, useClusters } from '../api/clusters'
import { useMay } from '../api/queries'
import { useClusterTabs } from '../clusters/tabs'
import { matches, WorkloadsTable } from '../clusters/workloads'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { TabBar, Top } from '../shell/top'
import { Page } from '../ui/card'
import { Button, ButtonLink, Input } from '../ui/controls'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'

const most = 100

export default function Workloads() {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('cluster:read')
  const tabs = useClusterTabs()
  return (
    <>
      <Top
        crumbs={[place.team, t('nav.workloads')]}
        tabs={<TabBar items={tabs} value="workloads" label={t('nav.clusters')} />}
      />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{t('nav.workloads')}</h1>
        {may ? <List /> : <Denied permission="cluster:read" />}
      </Page>
    </>
  )
}

function List() {
  const { t } = useI18n()
  const place = usePlace()
  const clusters = useClusters(true)
  const [find, setFind] = useState('')
  const [shown, setShown] = useState(most)
  const names = (clusters.data?.items ?? []).filter((one) => one.kind === 'kubernetes').map((one) => one.name)
  const overviews = useClusterOverviews(names)
  if (!clusters.data)
    return clusters.problem ? (
      <ProblemPanel problem={clusters.problem} onRetry={clusters.refresh} />
    ) : (
      <div className="card">
        <LoadingRows />
      </div>
    )
  if (names.length === 0)
    return (
      <div className="card">
        <Empty icon={Boxes} title={t('cluster.noClusters')} text={t('cluster.engineOnlyText')}>
          <ButtonLink to="/t/$team/e/$env/org/clusters" params={place}>
            {t('nav.clusters')}
          </ButtonLink>
        </Empty>
      </div>
    )
  const asked = overviews.every((one) => one.overview || one.problem)
  const all = overviews.flatMap(({ name, overview }) =>
    (overview?.workloads ?? []).map((workload) => ({ ...workload, cluster: name })),
  )
  const found = find.trim() ? all.filter((one) => matches(one, find.trim())) : all
  return (
    <>
      <p className="max-w-[760px] text-sm text-fg-2">{t('cluster.workloadsText')}</p>
      {overviews.map(({ name, problem }) => problem && <ProblemLine key={name} problem={problem} />)}
      {all.length > 0 && (
        <search>
          <Input
            type="search"
            aria-label={t('cluster.findWorkload')}
            placeholder={t('cluster.findWorkload')}
            value={find}
            onChange={(event) => setFind(event.target.value)}
          />
        </search>
      )}
      <div className="card overflow-hidden">
        {found.length > 0 ? (
          <WorkloadsTable workloads={found.slice(0, shown)} clusters />
        ) : !asked ? (
          <LoadingRows />
        ) : (
          <Empty
            icon={Boxes}
            title={all.length ? t('cluster.noWorkloadFound') : t('cluster.noWorkloads')}
            text={all.length ? find : t('cluster.noWorkloadsText')}
          />
        )}
      </div>
      {found.length > shown && (
        <div className="flex justify-center">
          <Button onClick={() => setShown(shown + most)}>{t('common.more')}</Button>
        </div>
      )}
    </>
  )
}
