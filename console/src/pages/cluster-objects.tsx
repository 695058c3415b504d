/** What is in a cluster, whoever made it: lists by kind, read when they are asked for, and one object whole. */
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { RefreshCw, Shapes } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useClusterObjects } from '../api/clusters'
import { useMay } from '../api/queries'
import type { ObjectRow } from '../api/types'
import { useClusterCrumbs } from '../clusters/crumbs'
import { ObjectDialog } from '../clusters/object'
import { ObjectsTable } from '../clusters/objects'
import { isNamespaced, type Kind, kinds, type ObjectsSearch } from '../clusters/objects-search'
import { useOneClusterTabs } from '../clusters/tabs'
import { useI18n } from '../i18n'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { TabBar, Top } from '../shell/top'
import { Page } from '../ui/card'
import { Button, Segmented, Select } from '../ui/controls'
import { Find } from '../ui/find'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'
import { Choice } from '../workloads/filters'
import { useRowKeys } from './rows'

/** Until a word is looked for that somebody types. */
const pause = 300

export default function ClusterObjects() {
  const { cluster = '' } = useParams({ strict: false }) as { cluster?: string }
  const may = useMay('cluster:manage')
  const crumbs = useClusterCrumbs(cluster)
  const tabs = useOneClusterTabs(cluster)
  return (
    <>
      <Top crumbs={crumbs} tabs={<TabBar items={tabs} value="objects" label={cluster} />} />
      <Page width="max-w-[1240px]">
        {may ? <List cluster={cluster} /> : <Denied permission="cluster:manage" />}
      </Page>
    </>
  )
}

function List({ cluster }: { cluster: string }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as ObjectsSearch
  const kind: Kind = search.kind ?? 'pods'
  const namespaced = isNamespaced(kind)
  const [opened, setOpened] = useState<ObjectRow>()
  const field = useRef<HTMLInputElement>(null)
  useKeys({ '/': () => field.current?.focus() })
  const go = (change: ObjectsSearch) =>
    void navigate({
      to: '/t/$team/e/$env/org/clusters/$cluster/objects',
      params: { ...place, cluster },
      search: { ...search, ...change },
      replace: true,
    })
  const namespaces = useClusterObjects(cluster, 'namespaces', {})
  const list = useClusterObjects(cluster, kind, namespaced ? search : { ...search, namespace: undefined })
  const rows = list.data ?? []
  const row = useRowKeys(rows.length)
  return (
    <>
      <p className="max-w-[760px] text-sm text-fg-2">{t('object.text')}</p>
      <search className="grid grid-cols-2 gap-2 md:flex md:flex-wrap">
        <Select
          aria-label={t('cluster.kind')}
          value={kind}
          onChange={(event) => go({ kind: event.target.value as Kind })}
        >
          {Object.entries(kinds).map(([one, name]) => (
            <option key={one} value={one}>
              {name}
            </option>
          ))}
        </Select>
        <span className={namespaced ? 'contents' : 'hidden'}>
          <Choice
            label={t('cluster.namespace')}
            any={t('object.anyNamespace')}
            value={search.namespace ?? ''}
            values={[
              ...new Set([
                ...(namespaces.data ?? []).map((one) => one.name),
                ...(search.namespace ? [search.namespace] : []),
              ]),
            ].map((name) => [name, name])}
            onChange={(namespace) => go({ namespace: namespace || undefined })}
          />
        </span>
        <FindLater
          key={kind}
          field={field}
          value={search.find ?? ''}
          onFind={(find) => go({ find: find || undefined })}
        />
        <Segmented
          label={t('object.whose')}
          value={search.whose ?? 'all'}
          items={[
            ['all', t('object.all')],
            ['ours', t('object.ours')],
            ['foreign', t('object.foreign')],
          ]}
          onChange={(whose) => go({ whose: whose === 'all' ? undefined : whose })}
        />
        <Button square aria-label={t('object.again')} title={t('object.again')} onClick={list.refresh}>
          <RefreshCw size={14} aria-hidden />
        </Button>
      </search>
      {list.problem && list.data && <ProblemLine problem={list.problem} />}
      {!list.data && list.problem ? (
        <ProblemPanel problem={list.problem} onRetry={list.refresh} />
      ) : (
        <div className="card overflow-hidden">
          {!list.data ? (
            <LoadingRows />
          ) : rows.length > 0 ? (
            <ObjectsTable
              rows={rows}
              namespaced={namespaced}
              row={row}
              onOpen={kind === 'events' ? undefined : setOpened}
            />
          ) : (
            <Empty
              icon={Shapes}
              title={t('object.none')}
              text={list.more ? t('object.noneYet') : kinds[kind]}
            />
          )}
        </div>
      )}
      {list.more && (
        <div className="flex justify-center">
          <Button onClick={list.more} disabled={list.loadingMore}>
            {t('common.more')}
          </Button>
        </div>
      )}
      {opened && (
        <ObjectDialog cluster={cluster} kind={kind} row={opened} onClose={() => setOpened(undefined)} />
      )}
    </>
  )
}

/** Asks a moment after the last key: each question goes to the cluster. */
function FindLater({
  field,
  value,
  onFind,
}: {
  field: React.RefObject<HTMLInputElement | null>
  value: string
  onFind: (text: string) => void
}) {
  const { t } = useI18n()
  const [text, setText] = useState(value)
  const find = useRef(onFind)
  find.current = onFind
  useEffect(() => {
    if (text === value) return
    const timer = setTimeout(() => find.current(text), pause)
    return () => clearTimeout(timer)
  }, [text, value])
  return (
    <Find
      field={field}
      label={t('object.find')}
      value={text}
      onFind={setText}
      className="col-span-2 min-w-0 md:flex-1 md:basis-48"
    />
  )
}
