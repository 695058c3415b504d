/**
 * The message format of the catalogue: a small part of ICU. `{name}` is a slot, for text or an element;
 * `{n, plural, one {# line} other {# lines}}` chooses by the language's plural rule, `#` is the number.
 */
export type Part =
  | string
  | { slot: string }
  | { plural: string; cases: Record<string, Part[]> }
  | { hash: true }

const parsed = new Map<string, Part[]>()

export function parse(message: string): Part[] {
  const known = parsed.get(message)
  if (known) return known
  const [parts, end] = parts_(message, 0, false)
  if (end !== message.length) throw new Error(`unbalanced } in message: ${message}`)
  parsed.set(message, parts)
  return parts
}

function parts_(text: string, from: number, inPlural: boolean): [Part[], number] {
  const parts: Part[] = []
  let at = from
  let literal = ''
  const flush = () => {
    if (literal) parts.push(literal)
    literal = ''
  }
  while (at < text.length) {
    const char = text[at]
    if (char === '}') break
    if (char === '#' && inPlural) {
      flush()
      parts.push({ hash: true })
      at += 1
    } else if (char === '{') {
      flush()
      const [part, next] = slot(text, at + 1)
      parts.push(part)
      at = next
    } else {
      literal += char
      at += 1
    }
  }
  flush()
  return [parts, at]
}

function slot(text: string, from: number): [Part, number] {
  const head = /^\s*(\w+)\s*(,\s*plural\s*,)?/.exec(text.slice(from))
  if (!head?.[1]) throw new Error(`bad slot in message: ${text}`)
  let at = from + head[0].length
  if (!head[2]) {
    if (text[at] !== '}') throw new Error(`unclosed slot in message: ${text}`)
    return [{ slot: head[1] }, at + 1]
  }
  const cases: Record<string, Part[]> = {}
  for (;;) {
    const name = /^\s*(=?\w+)\s*\{/.exec(text.slice(at))
    if (!name?.[1]) break
    const [parts, end] = parts_(text, at + name[0].length, true)
    cases[name[1]] = parts
    at = end + 1
  }
  const close = /^\s*\}/.exec(text.slice(at))
  if (!close || !cases.other) throw new Error(`plural without other in message: ${text}`)
  return [{ plural: head[1], cases }, at + close[0].length]
}

/** Names of the slots a message uses, for the check that both languages use the same. */
export function slots(parts: Part[]): Set<string> {
  const names = new Set<string>()
  for (const part of parts) {
    if (typeof part === 'string' || 'hash' in part) continue
    if ('slot' in part) names.add(part.slot)
    else {
      names.add(part.plural)
      for (const inner of Object.values(part.cases)) for (const name of slots(inner)) names.add(name)
    }
  }
  return names
}

/** Fills a message; every value it holds comes back in order, so that a caller may put elements in. */
export function fill<V>(
  parts: Part[],
  values: Record<string, V | string | number>,
  plural: Intl.PluralRules,
  number: Intl.NumberFormat,
  hash?: number,
): (string | V)[] {
  const show = (value: V | string | number | undefined): string | V =>
    typeof value === 'number' ? number.format(value) : (value ?? '')
  return parts.flatMap((part) => {
    if (typeof part === 'string') return [part]
    if ('hash' in part) return [number.format(hash ?? 0)]
    if ('slot' in part) return [show(values[part.slot])]
    const n = Number(values[part.plural] ?? 0)
    const chosen = part.cases[`=${n}`] ?? part.cases[plural.select(n)] ?? part.cases.other ?? []
    return fill(chosen, values, plural, number, n)
  })
}
