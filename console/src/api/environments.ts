/** Environments of a team, and what goes from one to another. */
import { base, type Place, usePlace } from '../shell/place'
import { get, post, remove } from './client'
import { applicationPath, operationChanged } from './queries'
import { invalidate, useResource } from './resource'
import type {
  CopyPreview,
  CopyRequest,
  EnvironmentDeleted,
  EnvironmentSummary,
  Operation,
  Page,
  PlaceChoices,
  PromotePreview,
  PromoteRequest,
} from './types'

const list = (team: string) => `/teams/${team}/environments`

export const useEnvironments = () => useResource<Page<EnvironmentSummary>>(list(usePlace().team))

/** What the cluster of the environment in view has for choice. */
export const useChoices = () => useResource<PlaceChoices>(`${base(usePlace())}/choices`)

const engine = 'local'

/** The cluster that the environment in view is on; nothing where that is the engine of the machine. */
export function usePlacedOn(): string | undefined {
  const { env } = usePlace()
  const environments = useEnvironments()
  const { cluster } = environments.data?.items.find((one) => one.name === env) ?? {}
  return cluster === engine ? undefined : cluster
}

/** On the engine of the machine where no cluster is named. */
export async function createEnvironment(team: string, name: string, cluster?: string) {
  const made = await post<EnvironmentSummary>(list(team), { name, cluster })
  // The list itself, not what is below each of its entries.
  await refresh(team)
  return made
}

export async function deleteEnvironment(team: string, name: string) {
  const deleted = await remove<EnvironmentDeleted>(`${list(team)}/${name}?confirm=${name}`)
  await refresh(team)
  return deleted
}

const refresh = (team: string) => get(list(team)).then(() => invalidate(list(team)))

export const previewCopy = (where: Place, app: string, body: CopyRequest) =>
  post<CopyPreview>(`${applicationPath(where, app)}/copy/preview`, body)

/** The operation belongs to the copy: it is shown where that is made. */
export const copyApplication = (where: Place, app: string, body: CopyRequest) =>
  post<Operation>(`${applicationPath(where, app)}/copy`, body).then(
    shownIn({ team: where.team, env: body.to }),
  )

export const previewPromotion = (where: Place, app: string, body: PromoteRequest) =>
  post<PromotePreview>(`${applicationPath(where, app)}/promote/preview`, body)

export const promoteApplication = (where: Place, app: string, body: PromoteRequest) =>
  post<Operation>(`${applicationPath(where, app)}/promote`, body).then(
    shownIn({ team: where.team, env: body.to }),
  )

const shownIn = (there: Place) => (operation: Operation) => {
  operationChanged(operation, there)
  invalidate(`${base(there)}/applications`)
  return operation
}
