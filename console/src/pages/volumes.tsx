/** Every volume of the environment, those of deleted applications included. */
import { useEffect } from 'react'
import { useVolumes } from '../api/volumes'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Card, Page } from '../ui/card'
import { LoadingRows, ProblemPanel } from '../ui/panels'
import { VolumesTable } from '../volumes/table'

/** A copy has its progress in its operation; its end is seen here. */
const soon = 2_000
const seldom = 15_000

/** Volumes, read again now and then: sizes are measured behind the page's back. */
export function useVolumesLive() {
  const volumes = useVolumes()
  const { refresh } = volumes
  const items = volumes.data?.items
  const busy = items?.some((one) => one.state === 'copying' || one.measured_at == null)
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && refresh(), busy ? soon : seldom)
    return () => clearInterval(timer)
  }, [busy, refresh])
  return volumes
}

export default function Volumes() {
  const { t } = useI18n()
  const place = usePlace()
  const volumes = useVolumesLive()
  return (
    <>
      <Top crumbs={[place.env, t('nav.volumes')]} />
      <Page>
        <h1 className="sr-only">{t('nav.volumes')}</h1>
        <Card title={t('nav.volumes')} hint={t('volume.hint')} pad={false}>
          {volumes.data ? (
            <VolumesTable volumes={volumes.data.items} />
          ) : volumes.problem ? (
            <ProblemPanel bare problem={volumes.problem} onRetry={volumes.refresh} />
          ) : (
            <LoadingRows rows={4} />
          )}
        </Card>
      </Page>
    </>
  )
}
