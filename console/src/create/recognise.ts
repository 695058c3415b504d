/** What a pasted text is, as far as it decides who is asked: an address, a repository, an image, or a text that is read. */
export type Pasted = { as: 'url' | 'git' | 'image' | 'text'; value: string }

export function recognise(text: string): Pasted | undefined {
  const value = text.trim()
  if (!value) return undefined
  if (/\s/.test(value)) return { as: 'text', value: text }
  if (/^(ssh|git):\/\/|^git@|\.git$/.test(value)) return { as: 'git', value }
  if (/^https?:\/\//.test(value)) return { as: 'url', value }
  // `name: x` has a space; what is left of one word is an image.
  if (/^[a-z0-9][\w./-]*(:[\w.-]+)?(@sha256:[0-9a-f]{64})?$/i.test(value)) return { as: 'image', value }
  return { as: 'text', value: text }
}

const isDotenv = (path: string) => /(^|\/)\.env[^/]*$|\.env$/.test(path)
/** Whether a file may stand before another: `.env` files have no order. */
export const isLaid = (path: string) => !isDotenv(path)

/** A name that a pasted text would have as a file. */
export function fileNameOf(text: string): string {
  if (/^services:|^include:/m.test(text)) return 'compose.yaml'
  if (/^\s*[A-Za-z_]\w*=/m.test(text) && !/^\S+:(\s|$)/m.test(text)) return '.env'
  if (/^(web|worker|release):\s*\S/m.test(text)) return 'Procfile'
  return text.trimStart().startsWith('{') ? 'app.json' : 'app.yaml'
}
