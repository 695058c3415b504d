/** Reads the text of a `.env` file: `NAME=value`, `export`, comments, single and double quotes; no references are followed. */
export function parseDotenv(text: string): { values: Record<string, string>; wrong: number[] } {
  const values: Record<string, string> = {}
  const wrong: number[] = []
  const lines = text.split(/\r?\n/)
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]?.trim() ?? ''
    if (line === '' || line.startsWith('#')) continue
    const match = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/.exec(line)
    if (!match?.[1]) {
      wrong.push(at + 1)
      continue
    }
    let value = match[2] ?? ''
    const quote = value[0]
    if (quote === '"' || quote === "'") {
      const start = at
      // A quoted value may go over several lines.
      while (!closed(value, quote) && at + 1 < lines.length) {
        at += 1
        value += `\n${lines[at]}`
      }
      if (!closed(value, quote)) {
        wrong.push(start + 1)
        at = start
        continue
      }
      const end = endOf(value, quote)
      const inner = value.slice(1, end)
      value =
        quote === '"'
          ? inner.replace(
              /\\([nrt"\\$])/g,
              (_, sign: string) => ({ n: '\n', r: '\r', t: '\t' })[sign] ?? sign,
            )
          : inner
    } else {
      value = value.replace(/\s+#.*$/, '').trimEnd()
    }
    values[match[1]] = value
  }
  return { values, wrong }
}

const closed = (value: string, quote: string) => endOf(value, quote) > 0

function endOf(value: string, quote: string): number {
  for (let at = 1; at < value.length; at += 1) {
    if (quote === '"' && value[at] === '\\') at += 1
    else if (value[at] === quote) return at
  }
  return -1
}
