/** One way to ask the server anything: JSON in and out, every failure a `Problem`. */
import { Problem } from './problem'

export const root = '/api/v1'

export interface Answer<T> {
  data: T
  /** For `If-Match` on a later write. */
  etag: string | undefined
}

export interface Options {
  body?: unknown
  /** Sends bytes as they are, instead of JSON. */
  upload?: { bytes: Blob; type: string }
  ifMatch?: string
  signal?: AbortSignal
  /** A write that is tried again after a lost answer must not happen twice. */
  idempotencyKey?: string
}

let csrf = ''
/** The session's own token, sent back with every change. */
export function setCsrf(token: string) {
  csrf = token
}

type Listener = () => void
const signedOut = new Set<Listener>()
/** Called whenever the server says that nobody is signed in. */
export function onSignedOut(listener: Listener) {
  signedOut.add(listener)
  return () => signedOut.delete(listener)
}

export async function ask<T>(method: string, path: string, options: Options = {}): Promise<Answer<T>> {
  const headers: Record<string, string> = { accept: 'application/json' }
  let body: BodyInit | undefined
  if (options.upload) {
    headers['content-type'] = options.upload.type
    body = options.upload.bytes
  } else if (options.body !== undefined) {
    headers['content-type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  if (options.ifMatch) headers['if-match'] = options.ifMatch
  if (method === 'POST') headers['idempotency-key'] = options.idempotencyKey ?? crypto.randomUUID()
  // A page of another origin cannot know this, which makes the cookie safe to use.
  if (method !== 'GET' && csrf) headers['x-pluvio-csrf'] = csrf
  const init: RequestInit = { method, headers, body, signal: options.signal }
  let response: Response
  try {
    response = await fetch(root + path, init).catch(async (thrown: unknown) => {
      // A browser drops what is under way when an interface of the machine comes or goes, and every deploy on this very
      // machine makes a network. Reading twice does no harm.
      if (method !== 'GET' || options.signal?.aborted) throw thrown
      await new Promise((later) => setTimeout(later, 300))
      return fetch(root + path, init)
    })
  } catch (thrown) {
    if (options.signal?.aborted) throw thrown
    throw Problem.unreachable()
  }
  if (response.status === 401 && !path.startsWith('/session')) for (const listener of signedOut) listener()
  if (!response.ok) throw await Problem.fromResponse(response)
  const type = response.headers.get('content-type') ?? ''
  const text = await response.text()
  const data = text && type.includes('json') && !type.includes('ndjson') ? JSON.parse(text) : text
  return { data: data as T, etag: response.headers.get('etag') ?? undefined }
}

export const get = <T>(path: string, signal?: AbortSignal) =>
  ask<T>('GET', path, { signal }).then((a) => a.data)
export const post = <T>(path: string, body?: unknown, options: Options = {}) =>
  ask<T>('POST', path, { ...options, body: body ?? {} }).then((a) => a.data)
export const put = <T>(path: string, body: unknown, options: Options = {}) =>
  ask<T>('PUT', path, { ...options, body }).then((a) => a.data)
export const patch = <T>(path: string, body: unknown, options: Options = {}) =>
  ask<T>('PATCH', path, { ...options, body }).then((a) => a.data)
export const remove = <T>(path: string, body?: unknown, options: Options = {}) =>
  ask<T>('DELETE', path, { ...options, body }).then((a) => a.data)
