/**
 * The contexts of a kubeconfig, so that one can be chosen before anything is sent. Only their names are read, from YAML as
 * kubectl and the providers' tools write it and from JSON; the server reads the file itself and judges it.
 */
export interface Contexts {
  names: string[]
  current: string | undefined
}

/** Nothing where the text is not understood: then a context is named by hand. */
export function contextsOf(text: string): Contexts | undefined {
  const found = text.trimStart().startsWith('{') ? ofJson(text) : ofYaml(text)
  return found && found.names.length > 0 ? found : undefined
}

function ofJson(text: string): Contexts | undefined {
  try {
    const config = JSON.parse(text) as { contexts?: { name?: unknown }[]; 'current-context'?: unknown }
    const names = (config.contexts ?? []).flatMap(({ name }) => (typeof name === 'string' ? [name] : []))
    const current = config['current-context']
    return { names, current: typeof current === 'string' && current ? current : undefined }
  } catch {
    return undefined
  }
}

function ofYaml(text: string): Contexts {
  const names: string[] = []
  let current: string | undefined
  let inside = false
  /** Where the dash of an item stands, and where its keys do. */
  let dash: number | undefined
  let keys = 0
  for (const line of text.split(/\r?\n/)) {
    if (!line.trim() || line.trimStart().startsWith('#')) continue
    const top = /^([\w-]+):\s*(.*)$/.exec(line)
    if (top) {
      inside = top[1] === 'contexts'
      if (inside && top[2]?.startsWith('[')) names.push(...ofFlow(top[2]))
      if (top[1] === 'current-context') current = scalar(top[2]) || undefined
      continue
    }
    if (!inside) continue
    const item = /^(\s*)-(\s+)(.*)$/.exec(line)
    let rest: string | undefined
    if (item && (dash === undefined || item[1]?.length === dash)) {
      dash = item[1]?.length ?? 0
      keys = dash + 1 + (item[2]?.length ?? 0)
      rest = item[3]
    } else if (line.length - line.trimStart().length === keys) rest = line.trim()
    const name = rest === undefined ? undefined : /^["']?name["']?:\s+(.*)$/.exec(rest)
    if (name) names.push(scalar(name[1]))
  }
  return { names, current }
}

/** A key `name` with its value, a quoted text, a brace, or any other sign. */
const token =
  /(?<![\w-])["']?name["']?:\s*(?:"[^"]*"|'[^']*'|[^,}\s]+)|"(?:[^"\\]|\\.)*"|'[^']*'|[{}]|[^{}"']/g

/** `[{name: a, context: {…}}, …]` on one line. */
function ofFlow(list: string): string[] {
  const names: string[] = []
  let depth = 0
  for (const [part] of list.matchAll(token)) {
    if (part === '{') depth += 1
    else if (part === '}') depth -= 1
    else if (depth === 1 && /^["']?name["']?:/.test(part)) names.push(scalar(part.replace(/^[^:]*:/, '')))
  }
  return names
}

function scalar(written = ''): string {
  const text = written.trim()
  const quoted = /^"((?:[^"\\]|\\.)*)"|^'((?:[^']|'')*)'/.exec(text)
  if (quoted)
    return quoted[1] !== undefined ? quoted[1].replace(/\\(.)/g, '$1') : (quoted[2] ?? '').replace(/''/g, "'")
  return text.replace(/\s+#.*$/, '')
}

/** A name for a cluster that is known by a context, such as `admin@prod.example.org`. */
export const nameFrom = (context: string) =>
  (context.split('@').at(-1) ?? '')
    .toLowerCase()
    .replace(/^.*[/:]/, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[-0-9]+|-+$/g, '')
    .slice(0, 30)
