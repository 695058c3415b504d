import { Link } from '@tanstack/react-router'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'

/** The way to the pages of one cluster. */
export function useClusterCrumbs(name: string) {
  const { t } = useI18n()
  const place = usePlace()
  return [
    <Link key="all" to="/t/$team/e/$env/org/clusters" params={place} className="hover:text-fg">
      {t('nav.clusters')}
    </Link>,
    <h1 key="one" className="truncate">
      {name}
    </h1>,
  ]
}
