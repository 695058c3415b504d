/** One line about an application: what the server has to say of its state, else which release serves and since when. */
import type { ApplicationSummary } from '../api/types'
import type { I18n } from '../i18n'

export function hintOf(app: ApplicationSummary, i18n: I18n): string {
  const { t, when } = i18n
  const live = app.live_release
  const target = app.target_release
  if (target != null && live != null && target !== live && app.status === 'deploying')
    return t('app.onItsWay', { next: `r${target}`, live: `r${live}` })
  if (app.status !== 'running' && app.status_note) return app.status_note
  if (live != null) return t('app.liveSince', { release: `r${live}`, at: when(app.updated_at) })
  return app.status_note || t('app.neverDeployed')
}

/** The address people open, without what every address starts with. */
export const shortUrl = (url: string) => url.replace(/^https?:\/\//, '').replace(/\/$/, '')

/** Instances are named `app--component--hash-tail`; the reader knows the application already. */
export const shortName = (name: string) => name.split('--').slice(1).join('-') || name
