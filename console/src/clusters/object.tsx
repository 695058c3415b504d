/** One object of a cluster whole: how its parts are, what the cluster told of it, its YAML. Values of Secrets are not in it. */
import { useClusterObject } from '../api/clusters'
import type { ContainerSeen, ObjectRow } from '../api/types'
import { useI18n } from '../i18n'
import { CodeView } from '../ui/code'
import { CopyButton } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { LoadingRows, ProblemPanel } from '../ui/panels'
import { Status } from '../ui/status'
import { Events } from './events'
import type { Kind } from './objects-search'

export function ObjectDialog({
  cluster,
  kind,
  row,
  onClose,
}: {
  cluster: string
  kind: Kind
  row: ObjectRow
  onClose: () => void
}) {
  const { t, bytes } = useI18n()
  const { data, problem, refresh } = useClusterObject(cluster, kind, row.name, row.namespace ?? undefined)
  const size = (n: number) => {
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
  return (
    <Dialog
      open
      onClose={onClose}
      width="md:w-[min(920px,92vw)]"
      title={
        <span className="break-all">
          {row.namespace && <span className="text-fg-3">{row.namespace}/</span>}
          {row.name}
        </span>
      }
    >
      {!data ? (
        problem ? (
          <ProblemPanel problem={problem} onRetry={refresh} bare />
        ) : (
          <LoadingRows />
        )
      ) : (
        <div className="space-y-4">
          {data.containers.length > 0 && (
            <section>
              <h3 className="eyebrow">{t('object.containers')}</h3>
              <ul className="divide-y divide-line">
                {data.containers.map((one) => (
                  <Container key={one.name} container={one} />
                ))}
              </ul>
            </section>
          )}
          {data.keys.length > 0 && (
            <section>
              <h3 className="eyebrow">{t('object.keys')}</h3>
              <dl className="grid grid-cols-[minmax(0,max-content)_minmax(0,1fr)] gap-x-4 gap-y-1 text-xs">
                {data.keys.map((one) => (
                  <div key={one.key} className="contents">
                    <dt className="mono break-all">{one.key}</dt>
                    <dd className="num text-fg-2">{size(one.bytes)}</dd>
                  </div>
                ))}
              </dl>
              <p className="mt-1 text-xs text-fg-3">{t('object.noValues')}</p>
            </section>
          )}
          <section>
            <h3 className="eyebrow">{t('cluster.events')}</h3>
            <div className="-mx-4">
              <Events events={data.events} />
            </div>
          </section>
          <section>
            <div className="flex items-center justify-between">
              <h3 className="eyebrow">YAML</h3>
              <CopyButton text={data.yaml} />
            </div>
            <div className="h-80 rounded-md border bg-sunken">
              <CodeView
                lines={data.yaml.trimEnd().split('\n')}
                label={t('object.yaml', { name: row.name })}
              />
            </div>
          </section>
        </div>
      )}
    </Dialog>
  )
}

function Container({ container: one }: { container: ContainerSeen }) {
  const { t, known } = useI18n()
  return (
    <li className="flex flex-wrap items-baseline gap-x-3 gap-y-0.5 py-1.5 text-xs">
      <b className="font-medium">{one.name}</b>
      {one.state !== 'there' && <Status state={one.state} />}
      {one.note && <span className="text-fg-2">{known(`object.note.${one.note}`) ?? one.note}</span>}
      {one.is_init && <span className="text-fg-3">{t('object.init')}</span>}
      {one.restarts > 0 && <span className="num text-fg-3">{t('object.restarts', { n: one.restarts })}</span>}
      <span className="mono min-w-0 break-all text-fg-3">{one.image}</span>
    </li>
  )
}
