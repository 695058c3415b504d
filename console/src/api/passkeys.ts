/** Passkeys: what the browser is asked, in the words of Web Authentication, and how its answer goes to the server. */
import { get, patch, post, remove } from './client'
import { Problem } from './problem'
import { keep } from './queries'
import { invalidate, useResource } from './resource'
import type { Page, PasskeyOptions, PasskeySummary, Session } from './types'

/** Why this page cannot use passkeys at all. */
export type Obstacle = 'insecure' | 'unsupported'
export function obstacle(): Obstacle | undefined {
  if (!window.isSecureContext) return 'insecure'
  return typeof PublicKeyCredential === 'undefined' || !navigator.credentials ? 'unsupported' : undefined
}

export const usePasskeys = () => useResource<Page<PasskeySummary>>('/passkeys')

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (sign) => sign.charCodeAt(0))
const text = (buffer: ArrayBuffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

/** A passkey is for one address: said before the browser is asked, which would only name its own error. */
function here({ origin, options }: PasskeyOptions) {
  if (origin !== location.origin)
    throw new Problem({
      status: 0,
      code: 'passkey_elsewhere',
      title: 'Passkeys work at another address of this console',
      cause: origin,
    })
  // The shapes are the browser's own, with bytes as text.
  return options as never
}

async function ask<T>(question: () => Promise<T | null>): Promise<T> {
  try {
    const answer = await question()
    if (answer) return answer
  } catch (thrown) {
    const name = thrown instanceof DOMException ? thrown.name : ''
    if (name === 'InvalidStateError')
      throw new Problem({ status: 0, code: 'passkey_known', title: 'This device has a passkey for you' })
    // One name for "no", "too late" and "there is none": browsers tell no page which.
    if (name !== 'NotAllowedError' && name !== 'AbortError') throw thrown
  }
  throw new Problem({ status: 0, code: 'passkey_cancelled', title: 'The browser gave no passkey' })
}

export async function addPasskey(name: string): Promise<PasskeySummary> {
  const options: PublicKeyCredentialCreationOptionsJSON = here(
    await post<PasskeyOptions>('/passkeys/options'),
  )
  const made = await ask(() =>
    navigator.credentials.create({
      publicKey: {
        ...(options as object as PublicKeyCredentialCreationOptions),
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: (options.excludeCredentials ?? []).map((one) => ({
          type: 'public-key',
          id: bytes(one.id),
        })),
      },
    }),
  )
  const { rawId, response } = made as PublicKeyCredential & { response: AuthenticatorAttestationResponse }
  const credential = {
    id: text(rawId),
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      clientDataJSON: text(response.clientDataJSON),
      attestationObject: text(response.attestationObject),
    },
  }
  const added = await post<PasskeySummary>('/passkeys', { name, credential })
  changed()
  return added
}

export async function signInByPasskey(): Promise<Session> {
  const options: PublicKeyCredentialRequestOptionsJSON = here(
    await post<PasskeyOptions>('/session/passkey/options'),
  )
  const signed = await ask(() =>
    navigator.credentials.get({
      publicKey: {
        challenge: bytes(options.challenge),
        rpId: options.rpId,
        timeout: options.timeout,
        userVerification: 'required',
      },
    }),
  )
  const { rawId, response } = signed as PublicKeyCredential & { response: AuthenticatorAssertionResponse }
  const credential = {
    id: text(rawId),
    type: 'public-key',
    clientExtensionResults: {},
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
      userHandle: response.userHandle ? text(response.userHandle) : undefined,
    },
  }
  return post<Session>('/session/passkey', { credential }).then(keep)
}

export async function renamePasskey(id: string, name: string) {
  await patch<PasskeySummary>(`/passkeys/${id}`, { name })
  changed()
}
export async function removePasskey(id: string) {
  await remove(`/passkeys/${id}`)
  changed()
}
function changed() {
  invalidate('/passkeys')
  void get<Session>('/session').then(keep)
}
