/** One cluster: whether it answers, what its nodes have and give, what of ours runs there, what it tells. */
import { useNavigate, useParams } from '@tanstack/react-router'
import { Boxes, Settings2, Trash2 } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useCluster, useClusterOverview } from '../api/clusters'
import { useMay } from '../api/queries'
import type { ClusterOverview, ClusterSummary } from '../api/types'
import { AddCluster } from '../clusters/add'
import { AmountLegend, AmountRow } from '../clusters/amounts'
import { useClusterCrumbs } from '../clusters/crumbs'
import { Events } from '../clusters/events'
import { Nodes } from '../clusters/nodes'
import { RemoveCluster } from '../clusters/remove'
import { Away, ClusterStatus, Since } from '../clusters/state'
import { useOneClusterTabs } from '../clusters/tabs'
import { WorkloadsTable } from '../clusters/workloads'
import { useI18n } from '../i18n'
import { type Scope, useCommands } from '../shell/commands'
import { usePlace } from '../shell/place'
import { TabBar, Top } from '../shell/top'
import { Card, Facts, Page } from '../ui/card'
import { Button } from '../ui/controls'
import { Denied, Empty, LoadingCards, LoadingRows, ProblemPanel } from '../ui/panels'
import { Prose } from '../ui/prose'

export default function ClusterPage() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { cluster: name = '' } = useParams({ strict: false }) as { cluster?: string }
  const may = useMay('cluster:read')
  const mayManage = useMay('cluster:manage')
  const cluster = useCluster(name)
  const crumbs = useClusterCrumbs(name)
  const tabs = useOneClusterTabs(name)
  const [going, setGoing] = useState<'change' | 'remove'>()
  const [gone, setGone] = useState<ClusterSummary>()
  // One that is gone is still named in what its removal left.
  const one = gone ?? cluster.data
  const added = one?.kind === 'kubernetes'
  const commands = useMemo<Scope | undefined>(
    () =>
      added && mayManage
        ? {
            name,
            commands: [
              {
                id: 'change',
                label: t('cluster.change', { name }),
                icon: Settings2,
                run: () => setGoing('change'),
              },
              {
                id: 'remove',
                label: t('cluster.remove', { name }),
                icon: Trash2,
                run: () => setGoing('remove'),
              },
            ],
          }
        : undefined,
    [added, mayManage, name, t],
  )
  useCommands(commands)
  const leave = () => void navigate({ to: '/t/$team/e/$env/org/clusters', params: place })
  return (
    <>
      <Top
        crumbs={crumbs}
        tabs={added && tabs.length > 1 && <TabBar items={tabs} value="overview" label={name} />}
        right={
          one && (
            <>
              <ClusterStatus cluster={one} pill />
              {added && (
                <>
                  <Button disabled={!mayManage} onClick={() => setGoing('change')}>
                    <Settings2 size={14} aria-hidden />
                    {t('cluster.settings')}
                  </Button>
                  <Button
                    variant="danger"
                    square
                    disabled={!mayManage}
                    aria-label={t('cluster.remove', { name })}
                    title={t('cluster.remove', { name })}
                    onClick={() => setGoing('remove')}
                  >
                    <Trash2 size={14} aria-hidden />
                  </Button>
                </>
              )}
            </>
          )
        }
      />
      <Page width="max-w-[1240px]">
        {!may ? (
          <Denied permission="cluster:read" />
        ) : one ? (
          <Seen cluster={one} />
        ) : cluster.problem ? (
          <ProblemPanel problem={cluster.problem} onRetry={cluster.refresh} />
        ) : (
          <LoadingCards />
        )}
      </Page>
      {one && going === 'change' && <AddCluster cluster={one} onClose={() => setGoing(undefined)} />}
      {one && going === 'remove' && (
        <RemoveCluster
          cluster={one}
          onRemoved={() => setGone(one)}
          onClose={() => {
            setGoing(undefined)
            if (gone) leave()
          }}
        />
      )}
    </>
  )
}

function Seen({ cluster }: { cluster: ClusterSummary }) {
  const { t } = useI18n()
  const added = cluster.kind === 'kubernetes'
  const overview = useClusterOverview(added ? cluster.name : undefined)
  return (
    <>
      {cluster.state === 'away' && (
        <div role="status" className="rounded-lg bg-warn-soft px-4 py-3">
          <p className="text-sm font-medium text-warn">
            {t('cluster.state.away')} {cluster.since && <Since at={cluster.since} className="num" />}
          </p>
          <p className="text-xs text-fg-2">{t('cluster.runsOn')}</p>
          <Away cluster={cluster} />
        </div>
      )}
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)]">
        <Card title={cluster.name} hint={t(`cluster.kind.${cluster.kind}`)}>
          <About cluster={cluster} overview={overview.data} />
        </Card>
        {overview.data && (
          <Card
            title={t('cluster.resources')}
            action={<AmountLegend used={overview.data.resources.cpu.used != null} />}
          >
            <div className="space-y-3">
              <AmountRow what="cpu" amounts={overview.data.resources.cpu} />
              <AmountRow what="memory" amounts={overview.data.resources.memory} />
              <AmountRow what="disk" amounts={overview.data.resources.disk} />
            </div>
          </Card>
        )}
      </div>
      {!added ? (
        <p className="text-sm text-fg-2">{t('cluster.notKubernetes')}</p>
      ) : overview.data ? (
        <Inside overview={overview.data} />
      ) : overview.problem ? (
        cluster.state !== 'away' && <ProblemPanel problem={overview.problem} onRetry={overview.refresh} />
      ) : (
        <div className="card">
          <LoadingRows />
        </div>
      )}
    </>
  )
}

function About({ cluster, overview }: { cluster: ClusterSummary; overview?: ClusterOverview }) {
  const { t, when, utc } = useI18n()
  const { settings, facts } = cluster
  const gateway = settings.gateway ?? { kind: 'own' as const }
  const served =
    gateway.kind === 'cluster' ? `${gateway.namespace}/${gateway.name}` : t(`cluster.gateway.${gateway.kind}`)
  return (
    <Facts
      items={[
        [t('cluster.version'), overview?.version || facts?.version || '–'],
        [
          t('cluster.address'),
          <span key="address" className="mono min-w-0 break-all">
            {cluster.address}
          </span>,
        ],
        ...(overview
          ? [
              [
                t('cluster.nodes'),
                t('cluster.nodesReady', { ready: overview.ready_nodes, n: overview.nodes.length }),
              ] as [string, string],
              [t('cluster.pods'), String(overview.pods)] as [string, string],
            ]
          : []),
        [
          t('cluster.environments'),
          cluster.environments.length ? cluster.environments.join(', ') : t('cluster.noEnvironments'),
        ],
        ...(cluster.kind === 'kubernetes'
          ? [
              [
                t('cluster.gateway'),
                gateway.kind === 'own'
                  ? `${served}, ${t(`cluster.exposure.${settings.exposure ?? 'load-balancer'}`)}`
                  : served,
              ] as [string, string],
              [t('cluster.domain'), settings.domain ?? '–'] as [string, string],
              [t('cluster.storageClass'), settings.storage_class ?? t('cluster.storageDefault')] as [
                string,
                string,
              ],
              [t('cluster.restricted'), settings.restricted?.join(', ') || '–'] as [string, string],
            ]
          : []),
        [
          t('cluster.added'),
          <span key="added" title={utc(cluster.created_at)}>
            {when(cluster.created_at)}
          </span>,
        ],
      ]}
    />
  )
}

function Inside({ overview }: { overview: ClusterOverview }) {
  const { t, known, ago } = useI18n()
  return (
    <>
      {(overview.unseen ?? []).map((one) => (
        <p
          key={one.what}
          role="note"
          className="break-words rounded-lg bg-warn-soft px-4 py-2 text-xs leading-[18px] text-warn"
        >
          <b className="font-semibold">
            {t('cluster.unseen', { what: known(`cluster.what.${one.what}`) ?? one.what })}
          </b>{' '}
          {one.since && `${t('cluster.asSeen', { ago: ago(one.since) })} `}
          <Prose text={one.why} />
        </p>
      ))}
      <Card
        title={t('cluster.nodes')}
        hint={t('cluster.nodesReady', { ready: overview.ready_nodes, n: overview.nodes.length })}
        pad={false}
      >
        <Nodes nodes={overview.nodes} />
      </Card>
      <Card title={t('cluster.workloads')} pad={false} className="overflow-hidden">
        {overview.workloads.length > 0 ? (
          <WorkloadsTable workloads={overview.workloads} />
        ) : (
          <Empty icon={Boxes} title={t('cluster.noWorkloads')} text={t('cluster.noWorkloadsText')} />
        )}
      </Card>
      <Card title={t('cluster.events')} hint={t('cluster.eventsHint')} pad={false}>
        <Events events={overview.events} />
      </Card>
    </>
  )
}
