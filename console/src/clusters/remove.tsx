/** Takes a cluster out: what goes, what stays, and afterwards which data volumes are still there. */
import { useState } from 'react'
import { removeCluster } from '../api/clusters'
import type { ClusterSummary, VolumeLeft } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Switch } from '../ui/controls'
import { ConfirmByName, Dialog } from '../ui/dialog'
import { toast } from '../ui/toast'

export function RemoveCluster({
  cluster,
  onClose,
  onRemoved,
}: {
  cluster: ClusterSummary
  onClose: () => void
  /** It is gone; `onClose` follows once what stays was read. */
  onRemoved?: () => void
}) {
  const { t, list } = useI18n()
  const { name } = cluster
  const [abandon, setAbandon] = useState(false)
  const [left, setLeft] = useState<VolumeLeft[]>()
  if (left) return <Left name={name} volumes={left} onClose={onClose} />
  if (cluster.environments.length > 0)
    return (
      <Dialog open onClose={onClose} title={t('cluster.removeTitle', { name })}>
        <p className="text-sm text-fg-2">
          {t('cluster.inUse', { name, environments: list(cluster.environments) })}
        </p>
        <div className="mt-4">
          <Button onClick={onClose}>{t('common.close')}</Button>
        </div>
      </Dialog>
    )
  const confirm = async () => {
    const { volumes } = await removeCluster(name, abandon)
    toast('ok', t('cluster.removed', { name }))
    if (volumes.length > 0) setLeft(volumes)
    else onClose()
    onRemoved?.()
  }
  return (
    <ConfirmByName
      open
      onClose={onClose}
      name={name}
      title={t('cluster.removeTitle', { name })}
      action={t('cluster.removeAction')}
      onConfirm={confirm}
    >
      <p>{t('cluster.removeText')}</p>
      {cluster.state !== 'connected' && (
        <div className="mt-3">
          <Switch
            checked={abandon}
            onChange={setAbandon}
            label={t('cluster.abandon')}
            hint={t('cluster.abandonHint')}
          />
        </div>
      )}
    </ConfirmByName>
  )
}

function Left({ name, volumes, onClose }: { name: string; volumes: VolumeLeft[]; onClose: () => void }) {
  const { t } = useI18n()
  return (
    <Dialog open onClose={onClose} title={t('cluster.removed', { name })}>
      <p className="text-sm text-fg-2">{t('cluster.left', { n: volumes.length })}</p>
      <ul className="mt-3 divide-y divide-line rounded-lg border">
        {volumes.map((volume) => (
          <li
            key={`${volume.namespace}/${volume.name}`}
            className="flex flex-wrap items-baseline gap-x-3 px-3 py-1.5 text-xs"
          >
            <span className="mono min-w-0 flex-1 break-all">
              {volume.namespace}/{volume.name}
            </span>
            <span className="num text-fg-3">{volume.size}</span>
          </li>
        ))}
      </ul>
      <div className="mt-4">
        <Button onClick={onClose}>{t('common.close')}</Button>
      </div>
    </Dialog>
  )
}
