/** What runs of the team, on the engine and on all clusters: one list, with what can be done to it. */
import { Boxes } from 'lucide-react'
import { useRef, useState } from 'react'
import { useClusters } from '../api/clusters'
import { Problem } from '../api/problem'
import { useMay } from '../api/queries'
import { useWorkloads } from '../api/workloads'
import { useClusterTabs } from '../clusters/tabs'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { TabBar, Top } from '../shell/top'
import { Page } from '../ui/card'
import { Button, ButtonLink } from '../ui/controls'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'
import { useWorkloadActs } from '../workloads/act'
import { anything, keyOf, matches } from '../workloads/choose'
import { Filters } from '../workloads/filters'
import { ScaleDialog } from '../workloads/scale'
import { WorkloadList } from '../workloads/table'
import { BatchBar, useChosen } from './batch'
import { useRowKeys } from './rows'

const most = 100

export default function Workloads() {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('application:read')
  const tabs = useClusterTabs()
  return (
    <>
      <Top
        crumbs={[place.team, t('nav.workloads')]}
        tabs={<TabBar items={tabs} value="workloads" label={t('nav.clusters')} />}
      />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{t('nav.workloads')}</h1>
        {may ? <List /> : <Denied permission="application:read" />}
      </Page>
    </>
  )
}

function List() {
  const { t } = useI18n()
  const place = usePlace()
  const { items, problem, refresh } = useWorkloads(place.team)
  const clusters = useClusters(true)
  const [wanted, setWanted] = useState(anything)
  const [shown, setShown] = useState(most)
  const [scaling, setScaling] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  const found = (items ?? []).filter((one) => matches(one, wanted))
  const visible = found.slice(0, shown)
  const row = useRowKeys(visible.length)
  const picked = useChosen(found.map(keyOf))
  const mayOperate = useMay('application:operate')
  const acts = useWorkloadActs(place.team, refresh)
  const chosen = found.filter((one) => picked.has(keyOf(one)))
  const away = (clusters.data?.items ?? []).filter((one) => one.state === 'away')
  if (!items)
    return problem ? (
      <ProblemPanel problem={problem} onRetry={refresh} />
    ) : (
      <div className="card">
        <LoadingRows />
      </div>
    )
  if (items.length === 0)
    return (
      <div className="card">
        <Empty icon={Boxes} title={t('workload.none')} text={t('workload.noneText')}>
          <ButtonLink variant="primary" to="/t/$team/e/$env/create" params={place}>
            {t('nav.create')}
          </ButtonLink>
        </Empty>
      </div>
    )
  return (
    <>
      <p className="max-w-[760px] text-sm text-fg-2">{t('workload.text')}</p>
      {problem && <ProblemLine problem={problem} />}
      {away.map(({ name, problem }) => problem && <ProblemLine key={name} problem={new Problem(problem)} />)}
      <Filters all={items} wanted={wanted} onChange={setWanted} field={field} />
      {chosen.length > 0 && (
        <BatchBar
          count={chosen.length}
          may={mayOperate}
          busy={acts.busy}
          onAct={(what) => void acts.run(what, chosen).then(picked.none)}
          onScale={chosen.some((one) => one.can_scale) ? () => setScaling(true) : undefined}
          onNone={picked.none}
        />
      )}
      <div className="card overflow-hidden">
        {visible.length > 0 ? (
          <WorkloadList
            workloads={visible}
            row={row}
            picked={picked}
            onAll={(all) => (all ? picked.all() : picked.none())}
          />
        ) : (
          <Empty icon={Boxes} title={t('cluster.noWorkloadFound')} text={wanted.find}>
            <Button onClick={() => setWanted(anything)}>{t('workload.showAll')}</Button>
          </Empty>
        )}
      </div>
      <p role="status" className="num px-1 text-xs text-fg-3">
        {t('workload.count', { n: found.length, of: items.length })}
      </p>
      {found.length > shown && (
        <div className="flex justify-center">
          <Button onClick={() => setShown(shown + most)}>{t('common.more')}</Button>
        </div>
      )}
      {scaling && (
        <ScaleDialog
          chosen={chosen}
          busy={acts.busy}
          onClose={() => setScaling(false)}
          onScale={(these, instances) =>
            void acts.toScale(these, instances).then(() => {
              setScaling(false)
              picked.none()
            })
          }
        />
      )}
    </>
  )
}
