/** Who talks to whom across the applications of the environment, or of all the team's environments. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { useTeamTopology, useTopology } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { NothingThere, TopologyView } from '../topology/view'
import { ButtonLink, Segmented } from '../ui/controls'

export default function TeamTopology() {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { window = 60, all = false } = useSearch({ strict: false }) as { window?: number; all?: boolean }
  const own = useTopology(undefined, window, !all)
  const whole = useTeamTopology(all, window)
  const show = (seconds: number, whole: boolean) =>
    void navigate({
      to: '.',
      search: { window: seconds === 60 ? undefined : seconds, all: whole || undefined },
      replace: true,
    })
  return (
    <div className="flex min-h-full flex-col md:h-full">
      <Top
        crumbs={[
          <Link key="env" to="/t/$team/e/$env" params={place} className="hover:text-fg">
            {all ? place.team : place.env}
          </Link>,
          <h1 key="page">{t('nav.topology')}</h1>,
        ]}
      />
      <TopologyView
        // Another graph has other nodes: what is picked in one is not in the other.
        key={all ? 'team' : 'environment'}
        graph={all ? whole : own}
        label={t('topology.of', { name: all ? place.team : place.env })}
        window={window}
        tools={
          <Segmented
            label={t('topology.extent')}
            value={all ? 'team' : 'environment'}
            items={[
              ['environment', place.env],
              ['team', t('topology.allEnvironments')],
            ]}
            onChange={(extent) => show(window, extent === 'team')}
          />
        }
        onWindow={(seconds) => show(seconds, all)}
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
