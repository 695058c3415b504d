/** Where applications run: the engine of the machine, and the clusters beside it. */
import { Link, useNavigate } from '@tanstack/react-router'
import { Network, Plus } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useClusters } from '../api/clusters'
import { useMay } from '../api/queries'
import { AddCluster } from '../clusters/add'
import { RemoveCluster } from '../clusters/remove'
import { type Asked, ClustersTable } from '../clusters/table'
import { useClusterTabs } from '../clusters/tabs'
import { useI18n } from '../i18n'
import { type Scope, useCommands } from '../shell/commands'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { TabBar, Top } from '../shell/top'
import { Page } from '../ui/card'
import { Button, Kbd } from '../ui/controls'
import { Denied, Empty, LoadingRows, ProblemPanel } from '../ui/panels'

export default function Clusters() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const may = useMay('cluster:read')
  const mayManage = useMay('cluster:manage')
  const clusters = useClusters(true)
  const tabs = useClusterTabs()
  const [adding, setAdding] = useState(false)
  const [asked, setAsked] = useState<Asked>()
  const close = () => setAsked(undefined)
  const commands = useMemo<Scope | undefined>(
    () =>
      mayManage
        ? {
            name: t('nav.clusters'),
            commands: [
              { id: 'add', label: t('cluster.add'), icon: Plus, keys: ['N'], run: () => setAdding(true) },
            ],
          }
        : undefined,
    [mayManage, t],
  )
  useCommands(commands)
  useKeys({ n: () => mayManage && setAdding(true) })
  const items = clusters.data?.items
  const add = (
    <Button variant="primary" disabled={!mayManage} onClick={() => setAdding(true)}>
      <Plus size={14} aria-hidden />
      {t('cluster.add')}
      <Kbd on>N</Kbd>
    </Button>
  )
  return (
    <>
      <Top
        crumbs={[place.team, t('nav.clusters')]}
        right={add}
        tabs={<TabBar items={tabs} value="clusters" label={t('nav.clusters')} />}
      />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{t('nav.clusters')}</h1>
        {!may ? (
          <Denied permission="cluster:read" />
        ) : !items ? (
          clusters.problem ? (
            <ProblemPanel problem={clusters.problem} onRetry={clusters.refresh} />
          ) : (
            <div className="card">
              <LoadingRows rows={3} />
            </div>
          )
        ) : (
          <>
            <p className="max-w-[760px] text-sm text-fg-2">
              {t('cluster.text')}{' '}
              <Link
                to="/t/$team/e/$env/images"
                params={place}
                className="touch text-accent-fg underline underline-offset-2"
              >
                {t('images.toThem')}
              </Link>
            </p>
            <div className="card overflow-hidden">
              <ClustersTable clusters={items} ask={setAsked} />
              {items.length < 2 && (
                <div className="border-t">
                  <Empty icon={Network} title={t('cluster.engineOnly')} text={t('cluster.engineOnlyText')} />
                </div>
              )}
            </div>
          </>
        )}
      </Page>
      {adding && (
        <AddCluster
          onClose={() => setAdding(false)}
          onAdded={(cluster) =>
            void navigate({ to: '/t/$team/e/$env/org/clusters/$cluster', params: { ...place, cluster } })
          }
        />
      )}
      {asked?.what === 'change' && <AddCluster cluster={asked.cluster} onClose={close} />}
      {asked?.what === 'remove' && <RemoveCluster cluster={asked.cluster} onClose={close} />}
    </>
  )
}
