/** An operation as the pages show it: its state word, its steps in the reader's language, and how long it usually takes. */
import type { Operation, Step } from '../api/types'
import type { I18n, Key } from '../i18n'
import type { State } from '../ui/status'
import type { StepState, StepView } from '../ui/steps'

const building = new Set(['fetch', 'base', 'build', 'keep'])

export function stateOf(operation: Operation): State {
  if (operation.outcome) return operation.outcome.outcome
  const now = current(operation)
  // Asked for, but nothing has begun: others are before it.
  if (!now || operation.steps.every((step) => step.state === 'waiting')) return 'waiting'
  return building.has(now.name) ? 'building' : 'deploying'
}

export const current = (operation: Operation): Step | undefined =>
  operation.steps.find((step) => step.state === 'running') ??
  (operation.outcome ? undefined : operation.steps.find((step) => step.state === 'waiting'))

const states: Record<Step['state'], StepState> = {
  waiting: 'waiting',
  running: 'running',
  done: 'succeeded',
  skipped: 'skipped',
  failed: 'failed',
}

export function stepViews(operation: Operation, i18n: I18n, now: number): StepView[] {
  return operation.steps.map((step) => ({
    id: step.name,
    name: i18n.t(`step.name.${step.name}` as Key),
    state:
      operation.outcome?.outcome === 'cancelled' && step.state === 'failed'
        ? 'cancelled'
        : states[step.state],
    took: step.started_at
      ? (step.ended_at ? Date.parse(step.ended_at) : now) - Date.parse(step.started_at)
      : undefined,
    usual: step.usual_ms ?? undefined,
    note: step.note || undefined,
  }))
}

/** Milliseconds since it was asked for, or that it took. */
export const elapsed = (operation: Operation, now: number) =>
  (operation.ended_at ? Date.parse(operation.ended_at) : now) - Date.parse(operation.asked_at)

/** What all of its steps usually take together; undefined until each of the larger ones is known. */
export function usual(operation: Operation): number | undefined {
  const known = operation.steps.filter((step) => step.state !== 'skipped' && step.usual_ms)
  if (known.length === 0) return undefined
  return known.reduce((sum, step) => sum + (step.usual_ms ?? 0), 0)
}

/** The sentence that names it; the server's own words where it has some. */
export const titleOf = (operation: Operation, i18n: I18n) => {
  const words = { app: operation.application_name, n: operation.release ?? 0 }
  if (operation.kind === 'deploy' || operation.kind === 'rollback')
    return operation.release
      ? i18n.t(`operation.${operation.kind}.release`, { app: words.app, release: `r${words.n}` })
      : i18n.t(`operation.${operation.kind}`, words)
  return i18n.t(`operation.${operation.kind}`, words)
}
