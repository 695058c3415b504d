import type { Fix } from './schema'

/** An RFC 9457 problem document as the server sends it, and the few that only the browser can have. */
export class Problem extends Error {
  readonly status: number
  readonly code: string
  readonly title: string
  override readonly cause: string | undefined
  readonly remedy: string | undefined
  readonly help: string | undefined
  /** What the server offers to mend. */
  readonly fixes: Fix[]

  constructor(fields: {
    status: number
    code: string
    title: string
    cause?: string | null
    remedy?: string | null
    help?: string | null
    fixes?: Fix[]
  }) {
    super(fields.title)
    this.name = 'Problem'
    this.status = fields.status
    this.code = fields.code
    this.title = fields.title
    this.cause = fields.cause ?? undefined
    this.remedy = fields.remedy ?? undefined
    this.help = fields.help ?? undefined
    this.fixes = fields.fixes ?? []
  }

  /** Whatever was thrown, as a problem: a fault in the console's own code included, which is never swallowed. */
  static of(thrown: unknown): Problem {
    if (thrown instanceof Problem) return thrown
    const text = thrown instanceof Error ? thrown.message : String(thrown)
    return new Problem({ status: 0, code: 'console_fault', title: 'The console met a fault', cause: text })
  }

  static unreachable(): Problem {
    return new Problem({ status: 0, code: 'unreachable', title: 'Pluvio does not answer' })
  }

  static async fromResponse(response: Response): Promise<Problem> {
    const body = await response.json().catch(() => undefined)
    const text = (key: string) => (typeof body?.[key] === 'string' ? (body[key] as string) : undefined)
    return new Problem({
      status: response.status,
      code: text('code') ?? `http_${response.status}`,
      title: text('title') ?? `${response.status} ${response.statusText}`,
      cause: text('cause') ?? text('detail'),
      remedy: text('remedy'),
      help: text('help'),
      fixes: Array.isArray(body?.fixes) ? body.fixes : [],
    })
  }
}
