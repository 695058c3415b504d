/** Who talks to whom across the applications of the environment. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useTopology } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { NothingThere, TopologyView } from '../topology/view'
import { ButtonLink } from '../ui/controls'

export default function TeamTopology() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { window = 60 } = useSearch({ strict: false }) as { window?: number }
  const graph = useTopology(undefined, window)
  return (
    <div className="flex min-h-full flex-col md:h-full">
      <Top
        crumbs={[
          <Link key="env" to="/t/$team/e/$env" params={place} className="hover:text-fg">
            {place.env}
          </Link>,
          <h1 key="page">{t('nav.topology')}</h1>,
        ]}
      />
      <TopologyView
        graph={graph}
        label={t('topology.of', { name: place.env })}
        window={window}
        onWindow={(seconds) =>
          void navigate({ to: '.', search: { window: seconds === 60 ? undefined : seconds }, replace: true })
        }
        empty={
          <NothingThere title={t('apps.empty')} text={t('apps.emptyText')}>
            <ButtonLink variant="primary" to="/t/$team/e/$env/welcome" params={place}>
              {t('apps.emptyNext')}
            </ButtonLink>
          </NothingThere>
        }
      />
    </div>
  )
}
