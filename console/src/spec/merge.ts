/** Two changes of one specification: what only one side touched is taken from it, what both touched is theirs to choose. */
export interface Conflict {
  /** Keys from the top. */
  at: string[]
  mine: unknown
  theirs: unknown
}
type Map_ = Record<string, unknown>

const isMap = (value: unknown): value is Map_ =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
export const same = (a: unknown, b: unknown): boolean => {
  if (a === b) return true
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, i) => same(one, b[i]))
  if (!isMap(a) || !isMap(b)) return false
  const keys = Object.keys(a).filter((key) => a[key] !== undefined)
  return (
    keys.length === Object.keys(b).filter((key) => b[key] !== undefined).length &&
    keys.every((key) => same(a[key], b[key]))
  )
}

/** `mine` and `theirs` both began as `base`. Where both changed the same place, the merged value is mine until chosen otherwise. */
export function merge<T>(base: T, mine: T, theirs: T): { merged: T; conflicts: Conflict[] } {
  const conflicts: Conflict[] = []
  const walk = (at: string[], old: unknown, a: unknown, b: unknown): unknown => {
    if (same(a, b) || same(b, old)) return a
    if (same(a, old)) return b
    if (isMap(a) && isMap(b)) {
      const was = isMap(old) ? old : {}
      const out: Map_ = {}
      // Their order, then what is new of mine.
      for (const key of new Set([...Object.keys(b), ...Object.keys(a)])) {
        const value = walk([...at, key], was[key], a[key], b[key])
        if (value !== undefined) out[key] = value
      }
      return out
    }
    conflicts.push({ at, mine: a, theirs: b })
    return a
  }
  return { merged: walk([], base, mine, theirs) as T, conflicts }
}

/** A value with another in one place; undefined takes the place away. */
export function put<T>(whole: T, at: string[], value: unknown): T {
  const [key, ...rest] = at
  if (key === undefined) return value as T
  const copy: Map_ = isMap(whole) ? { ...(whole as Map_) } : {}
  const next = put(copy[key], rest, value)
  if (next === undefined) delete copy[key]
  else copy[key] = next
  return copy as T
}

export const read = (whole: unknown, at: string[]): unknown =>
  at.reduce<unknown>((value, key) => (isMap(value) ? value[key] : undefined), whole)
