/** The volumes of one application: those that it mounts, and those that it has kept. */
import { useI18n } from '../../i18n'
import { Card, Page } from '../../ui/card'
import { LoadingRows, ProblemPanel } from '../../ui/panels'
import { VolumesTable } from '../../volumes/table'
import { useVolumesLive } from '../volumes'
import { useApp } from './context'

export default function AppVolumes() {
  const { t } = useI18n()
  const { app } = useApp()
  const volumes = useVolumesLive()
  const own = volumes.data?.items.filter(
    (one) =>
      (one.application === app.name && !one.released_at) ||
      one.used_by?.some((use) => use.application === app.name),
  )
  return (
    <Page>
      <Card title={t('app.tab.volumes')} hint={t('volume.hintApp')} pad={false}>
        {own ? (
          <VolumesTable volumes={own} app={app.name} />
        ) : volumes.problem ? (
          <ProblemPanel bare problem={volumes.problem} onRetry={volumes.refresh} />
        ) : (
          <LoadingRows rows={3} />
        )}
      </Card>
    </Page>
  )
}
