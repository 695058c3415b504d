/** A problem with buttons for what the server offers to mend it with. */
import { Wrench } from 'lucide-react'
import { Problem } from '../api/problem'
import type { ProblemBody, ProblemFix } from '../api/types'
import { type I18n, useI18n } from '../i18n'
import { Button } from '../ui/controls'
import { ProblemLine } from '../ui/panels'
import { offersOf } from './mend'

export function Mendable({
  problem,
  stale,
  onMend,
}: {
  problem: ProblemBody | Problem
  /** What it is of has been changed since: its offers name places that may have moved. */
  stale?: boolean
  onMend: (fixes: ProblemFix[]) => void
}) {
  const shown = problem instanceof Problem ? problem : new Problem(problem)
  return (
    <div>
      <ProblemLine problem={shown} />
      <Offers fixes={shown.fixes} stale={stale} onMend={onMend} />
    </div>
  )
}

export function Offers({
  fixes,
  stale,
  onMend,
}: {
  fixes: readonly ProblemFix[]
  stale?: boolean
  onMend: (fixes: ProblemFix[]) => void
}) {
  const i18n = useI18n()
  const offers = offersOf(fixes)
  if (offers.length === 0) return null
  return (
    <div className="mt-1.5 flex flex-wrap gap-1.5">
      {offers.map((offer) => (
        <Button key={JSON.stringify(offer)} size="sm" disabled={stale} onClick={() => onMend(offer)}>
          <Wrench size={12} aria-hidden />
          {wordsOf(offer, i18n)}
        </Button>
      ))}
    </div>
  )
}

function wordsOf([first, ...more]: ProblemFix[], { t }: I18n): string {
  switch (first?.fix) {
    case 'open-port':
      return t('openPorts.open', { n: more.length + 1 })
    case 'add-use':
      return t('mend.addUse', first)
    case 'prefix-use':
      return t('mend.prefix', { prefix: first.prefix })
    case 'remove-use':
      return t('mend.removeUse')
    case 'replace-use':
      return t('mend.replaceUse', { uses: first.uses })
    default:
      return ''
  }
}
