import type { I18n } from '../i18n'

/** A component's kind as people say it. */
export const kindWord = (kind: string, { t, known }: I18n) =>
  known(`topology.kind.${kind}`) ?? t('topology.kind.service')
