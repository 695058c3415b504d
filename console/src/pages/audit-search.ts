/** What the address of the audit page holds. Apart from the page, which is loaded later than the router. */
export interface AuditSearch {
  /** The whole installation instead of the team. */
  all?: boolean
  actor?: string
  action?: string
  object?: string
  since?: Since
}

const hour = 3_600_000
export const spans = { '1h': hour, '24h': 24 * hour, '7d': 168 * hour, '30d': 720 * hour }
export type Since = keyof typeof spans
export const asSince = (text: unknown): Since | undefined =>
  typeof text === 'string' && Object.hasOwn(spans, text) ? (text as Since) : undefined
