/** One line about an application: what the server has to say of its state, else which release serves and since when. */
import type { ApplicationSummary, ReleaseSummary } from '../api/types'
import type { I18n } from '../i18n'

export function hintOf(app: ApplicationSummary, i18n: I18n): string {
  const { t, when } = i18n
  const live = app.live_release
  const target = app.target_release
  if (target != null && live != null && target !== live && app.status === 'deploying')
    return t('app.onItsWay', { next: `r${target}`, live: `r${live}` })
  if (live == null && (app.status === 'deploying' || app.status === 'building')) return t('app.firstOnItsWay')
  if (app.status !== 'running' && app.status_note) return app.status_note
  if (live != null) return t('app.liveSince', { release: `r${live}`, at: when(app.updated_at) })
  return app.status_note || t('app.neverDeployed')
}

/** The address people open, without what every address starts with. */
export const shortUrl = (url: string) => url.replace(/^https?:\/\//, '').replace(/\/$/, '')

/** Instances are named `app--component--hash-tail`; the reader knows the application already. */
export const shortName = (name: string) => name.split('--').slice(1).join('-') || name

/** What a release is, in the reader's language where its origin says enough; else in the words of whoever made it. */
export function releaseTitle({ origin, title, built_from }: ReleaseSummary, { t }: I18n): string {
  if (origin.kind === 'rollback') return t('release.origin.rollback', { release: `r${origin.to}` })
  if (origin.kind === 'restart') return t('release.origin.restart')
  if (origin.kind === 'copy' || origin.kind === 'promote')
    return t(`release.origin.${origin.kind}`, { release: `r${origin.release}`, env: origin.environment })
  if (origin.kind === 'apply') return t('release.origin.apply')
  return built_from?.message?.split('\n')[0] || title
}
