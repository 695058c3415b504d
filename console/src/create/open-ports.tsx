/** Ports that a plan's components dial and others do not open: opened with one click. */
import { PlugZap } from 'lucide-react'
import type { PlanReport, ProblemFix, Spec } from '../api/types'
import { useI18n } from '../i18n'
import { Button } from '../ui/controls'

/** The specification with the ports open. */
export function mended(spec: Spec, fixes: ProblemFix[]): Spec {
  const components = { ...spec.components }
  for (const { component, name, port, protocol } of fixes) {
    const found = components[component]
    if (!found || Object.values(found.ports ?? {}).some((known) => known.port === port)) continue
    components[component] = { ...found, ports: { ...found.ports, [name]: { port, protocol } } }
  }
  return { ...spec, components }
}

/** The plan without the problems that opening these ports mends. */
export function withOpenPorts(plan: PlanReport, fixes: ProblemFix[]): PlanReport {
  return {
    ...plan,
    spec: mended(plan.spec, fixes),
    errors: plan.errors.filter((error) => !error.fixes?.length),
  }
}

export function OpenPorts({ fixes, onOpen }: { fixes: ProblemFix[]; onOpen: () => void }) {
  const { t } = useI18n()
  if (fixes.length === 0) return null
  return (
    <Button onClick={onOpen}>
      <PlugZap size={14} aria-hidden />
      {t('openPorts.open', { n: new Set(fixes.map((fix) => `${fix.component}:${fix.port}`)).size })}
    </Button>
  )
}
