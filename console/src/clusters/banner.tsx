/** Over the pages of an environment whose cluster does not answer: since when, why, and what helps. */
import { Link } from '@tanstack/react-router'
import { CloudOff } from 'lucide-react'
import { useCluster } from '../api/clusters'
import { usePlacedOn } from '../api/environments'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Away, Since } from './state'

export function AwayBanner() {
  const { t } = useI18n()
  const place = usePlace()
  const name = usePlacedOn()
  const { data: cluster } = useCluster(name)
  if (cluster?.state !== 'away') return null
  return (
    <div role="status" className="flex items-start gap-2.5 border-b bg-warn-soft px-4 py-2 md:px-5">
      <CloudOff size={15} aria-hidden className="mt-0.5 shrink-0 text-warn" />
      <div className="min-w-0 flex-1">
        <div className="flex flex-wrap items-baseline gap-x-2 text-sm text-warn">
          <b className="font-semibold">{t('cluster.banner', { cluster: cluster.name })}</b>
          {cluster.since && <Since at={cluster.since} className="num text-xs" />}
        </div>
        <p className="text-xs leading-[18px] text-fg-2">{t('cluster.bannerText')}</p>
        <Away cluster={cluster} />
      </div>
      <Link
        to="/t/$team/e/$env/org/clusters/$cluster"
        params={{ ...place, cluster: cluster.name }}
        className="touch shrink-0 text-xs font-medium underline underline-offset-2"
      >
        {t('cluster.open')}
      </Link>
    </div>
  )
}
