/** Every question the console asks and every change it makes, by name. */
import { useCallback, useMemo, useState } from 'react'
import { base, type Place, usePlace } from '../shell/place'
import { useAgain } from './again'
import { ask, get, onSignedOut, patch, post, put, remove, setCsrf } from './client'
import { forget, invalidate, place, useResource } from './resource'
import type {
  ApplicationDetail,
  ApplicationSummary,
  AuditReport,
  ChangePreview,
  ComponentPatch,
  CredentialSummary,
  DeployRequest,
  DoctorReport,
  Fetched,
  InstanceEvent,
  ObservedRun,
  Operation,
  Overview,
  Page,
  PlanReport,
  ReleaseDiff,
  ReleaseSummary,
  RouteDetail,
  RunStarted,
  SecretRow,
  Session,
  SourceRequest,
  Spec,
  SpecDocument,
  SpecReading,
  Topology,
  UsageReport,
} from './types'

// Who

let signedIn: Promise<Session> | undefined
onSignedOut(() => {
  signedIn = undefined
})
export const keep = (session: Session) => {
  signedIn = Promise.resolve(session)
  setCsrf(session.csrf)
  place<Session>('/session', () => session)
  localStorage.setItem('pluvio.user', session.user.name)
  return session
}
const readSession = () => get<Session>('/session').then(keep)
/** Who is signed in: asked once, then again only after it was refused. */
export function whoever(): Promise<Session> {
  signedIn ??= readSession().catch((thrown: unknown) => {
    signedIn = undefined
    throw thrown
  })
  return signedIn
}
export const redeemLink = (token: string) => post<Session>('/session/link', { token }).then(keep)
export const signIn = (name: string, password: string) =>
  post<Session>('/session', { name, password }).then(keep)
export async function setPassword(password: string, current?: string) {
  await put('/session/password', { password, current })
  // The answer is empty; the session may have a new token.
  await readSession()
}
export async function signOut() {
  await remove('/session')
  signedIn = undefined
  setCsrf('')
  forget()
}
export const useSession = () => useResource<Session>('/session')
/** Whether this person may do a thing here, such as `application:deploy`. */
export function useMay(permission: string) {
  const session = useSession()
  return session.data?.permissions.includes(permission) ?? false
}

// Lists

export const useOverview = () => useResource<Overview>(`${base(usePlace())}/overview`)
export const useDoctor = () => useResource<DoctorReport>('/doctor')
export const useRoutes = () => useResource<Page<RouteDetail>>(`${base(usePlace())}/gateway/routes`)
export const useCredentials = () =>
  useResource<Page<CredentialSummary>>(`/teams/${usePlace().team}/credentials`)

/** A list by pages: the first is kept live, the others are what "show more" brought. */
export function usePages<T>(path: string | undefined) {
  const first = useResource<Page<T>>(path)
  const [rest, setRest] = useState<{ path?: string; items: T[]; next?: string | null }>({ items: [] })
  const [loadingMore, setLoading] = useState(false)
  const mine = rest.path === path ? rest : { items: [], next: undefined }
  // A page may be empty and the list still go on, where something is looked for.
  const next = rest.path === path ? rest.next : first.data?.next
  const items = useMemo(
    () => (first.data ? [...first.data.items, ...mine.items] : undefined),
    [first.data, mine.items],
  )
  const more = useCallback(async () => {
    if (!path || !next) return
    setLoading(true)
    try {
      const page = await get<Page<T>>(
        `${path}${path.includes('?') ? '&' : '?'}after=${encodeURIComponent(next)}`,
      )
      setRest((old) => ({
        path,
        items: [...(old.path === path ? old.items : []), ...page.items],
        next: page.next,
      }))
    } finally {
      setLoading(false)
    }
  }, [path, next])
  return { ...first, data: items, more: next ? () => void more() : undefined, loadingMore }
}

export const useApplications = () =>
  usePages<ApplicationSummary>(`${base(usePlace())}/applications?limit=100`)
export const useOperations = () => usePages<Operation>(`${base(usePlace())}/operations?limit=50`)
export const useReleases = (app: string) =>
  usePages<ReleaseSummary>(`${base(usePlace())}/applications/${app}/releases?limit=50`)

/** The audit log of a team, or of the whole installation, narrowed by whatever is given. */
export function auditPath(team: string | undefined, filters: Record<string, string | undefined>) {
  const query = new URLSearchParams({ limit: '50' })
  for (const [name, value] of Object.entries(filters)) if (value) query.set(name, value)
  return `${team ? `/teams/${team}` : ''}/audit?${query}`
}
export const verifyAudit = () => post<AuditReport>('/audit/verify')

// One thing

export const applicationPath = (where: Place, app: string) => `${base(where)}/applications/${app}`
export const useApplication = (app: string) =>
  useResource<ApplicationDetail>(applicationPath(usePlace(), app))
export const useSpec = (app: string) => useResource<SpecDocument>(`${applicationPath(usePlace(), app)}/spec`)
export const useSecrets = (app: string) =>
  useResource<Page<SecretRow>>(`${applicationPath(usePlace(), app)}/secrets`)
export const useUsage = (app: string) =>
  useResource<UsageReport>(`${applicationPath(usePlace(), app)}/usage?history=true`)
/** What ran to its end, or is at work, of a component: release tasks, jobs and schedules, the newest first. */
export const useRuns = (app: string, component: string) =>
  useResource<Page<ObservedRun>>(`${applicationPath(usePlace(), app)}/runs?component=${component}`)
/** What happened to a component's instances, the newest first. */
export const useInstanceEvents = (app: string, component: string | undefined) => {
  const here = usePlace()
  const path = `${applicationPath(here, app)}/events?component=${component}`
  // No event of the environment's stream tells of them.
  return useAgain<Page<InstanceEvent>>(component ? path : undefined, true, 5_000)
}
/** Who talks to whom, with rates over so many seconds: in an application, or among those of the environment. */
export const useTopology = (app: string | undefined, window: number, on = true) => {
  const here = usePlace()
  const path = app === undefined ? base(here) : applicationPath(here, app)
  return useResource<Topology>(on ? `${path}/topology?window=${window}` : undefined)
}
/** The same of the applications of all environments of the team; not asked for while `on` is false. */
export const useTeamTopology = (on: boolean, window: number) => {
  const { team } = usePlace()
  return useResource<Topology>(on ? `/teams/${team}/topology?window=${window}` : undefined)
}
export const useDiff = (app: string, from: number | undefined, to: number | undefined) => {
  const path = applicationPath(usePlace(), app)
  return useResource<ReleaseDiff>(
    from !== undefined && to !== undefined ? `${path}/releases/diff?from=${from}&to=${to}` : undefined,
  )
}
export const useRollbackPreview = (app: string, to: number | undefined) => {
  const path = applicationPath(usePlace(), app)
  return useResource<ChangePreview>(to !== undefined ? `${path}/releases/${to}/preview` : undefined)
}
export const useOperation = (id: string) => useResource<Operation>(`/operations/${id}`)

// Changes. Each answers with the operation, which is at once in every list that shows it.

const started = (where: Place) => (operation: Operation) => {
  operationChanged(operation, where)
  return operation
}
export const plan = (
  where: Place,
  source: SourceRequest,
  name?: string,
  variables: Record<string, string> = {},
  signal?: AbortSignal,
  /** Of an upload: the folder in it. */
  path?: string,
) =>
  ask<PlanReport>('POST', `${base(where)}/plan`, { body: { source, name, variables, path }, signal }).then(
    (answer) => answer.data,
  )
/** The server fetches it: a browser may not ask just any host. */
export const fetchFile = (url: string, signal?: AbortSignal) =>
  ask<Fetched>('POST', '/fetch', { body: { url }, signal }).then((answer) => answer.data)
export const upload = (archive: Blob, type: string, signal?: AbortSignal) =>
  ask<{ upload: string; bytes: number }>('POST', '/uploads', {
    upload: { bytes: archive, type },
    signal,
  }).then((answer) => answer.data)
export const deploy = (where: Place, app: string, body: DeployRequest) =>
  post<Operation>(`${applicationPath(where, app)}/deploy`, body).then(started(where))
export const patchComponent = (
  where: Place,
  app: string,
  component: string,
  body: ComponentPatch,
  ifMatch?: string,
) =>
  patch<Operation>(`${applicationPath(where, app)}/components/${component}`, body, { ifMatch }).then(
    started(where),
  )
export const previewPatch = (where: Place, app: string, component: string, body: ComponentPatch) =>
  post<ChangePreview>(`${applicationPath(where, app)}/components/${component}/preview`, body)
/** The same specification as fields and as text, and what is wrong with it. */
export const readSpec = (where: Place, what: { yaml: string } | { spec: Spec }, signal?: AbortSignal) =>
  ask<SpecReading>('POST', `${base(where)}/spec/read`, { body: what, signal }).then((answer) => answer.data)
export const previewSpec = (where: Place, app: string, spec: Spec, secrets: Record<string, string> = {}) =>
  post<ChangePreview>(`${applicationPath(where, app)}/spec/preview`, { spec, secrets })
export const editSpec = (
  where: Place,
  app: string,
  spec: Spec,
  ifMatch?: string,
  secrets: Record<string, string> = {},
) =>
  patch<Operation>(`${applicationPath(where, app)}/spec`, { spec, secrets }, { ifMatch }).then(
    (operation) => {
      invalidate(applicationPath(where, app))
      return started(where)(operation)
    },
  )
export const currentSpec = (where: Place, app: string) =>
  ask<SpecDocument>('GET', `${applicationPath(where, app)}/spec`)
export const scale = (where: Place, app: string, component: string, instances: number) =>
  post<Operation>(`${applicationPath(where, app)}/scale`, { component, instances }).then(started(where))
/** By itself from now on, or with `fixed` by hand again. */
export const setScale = (
  where: Place,
  app: string,
  component: string,
  body: { scale: object } | { instances: number; fixed: true },
) => post<Operation>(`${applicationPath(where, app)}/scale`, { component, ...body }).then(started(where))
export const act = (where: Place, app: string, what: 'restart' | 'stop' | 'start') =>
  post<Operation>(`${applicationPath(where, app)}/${what}`).then(started(where))
/** The same for chosen components. */
export const actOn = (where: Place, app: string, what: 'restart' | 'stop' | 'start', components: string[]) =>
  post<Operation>(
    `${applicationPath(where, app)}/${what}?components=${encodeURIComponent(components.join(','))}`,
  ).then(started(where))
export const rollback = (where: Place, app: string, to: number) =>
  post<Operation>(`${applicationPath(where, app)}/rollback`, { to }).then(started(where))
export const deleteApplication = (where: Place, app: string) =>
  remove<Operation>(`${applicationPath(where, app)}?confirm=${app}`).then(started(where))
export const cancelOperation = (where: Place, id: string) =>
  post<Operation>(`/operations/${id}/cancel`).then(started(where))
export async function runNow(where: Place, app: string, component: string) {
  await post<RunStarted>(`${applicationPath(where, app)}/components/${component}/runs`)
  invalidate(`${applicationPath(where, app)}/runs`)
}
export async function setSecret(where: Place, app: string, name: string, value: string, roll: boolean) {
  const answer = await put<SecretRow | Operation>(`${applicationPath(where, app)}/secrets/${name}`, {
    value,
    deploy: roll,
  })
  invalidate(`${applicationPath(where, app)}/secrets`)
  if ('steps' in answer) started(where)(answer)
}
export async function deleteSecret(where: Place, app: string, name: string) {
  await remove(`${applicationPath(where, app)}/secrets/${name}`)
  invalidate(`${applicationPath(where, app)}/secrets`)
}

// What the event stream says

/** Puts an operation as it is now wherever operations are shown. */
export function operationChanged(operation: Operation, where: Place) {
  const here = base(where)
  const app = operation.application_name
  place<Operation>(`/operations/${operation.id}`, () => operation)
  place<Overview>(`${here}/overview`, (old) => {
    if (!old) return old
    const others = old.running.filter((one) => one.id !== operation.id)
    const over = old.lately.filter((one) => one.id !== operation.id)
    return operation.outcome
      ? { ...old, running: others, lately: [operation, ...over].slice(0, 10) }
      : { ...old, running: [operation, ...others] }
  })
  place<Page<Operation>>(`${here}/operations?limit=50`, (old) => {
    if (!old) return old
    const known = old.items.some((one) => one.id === operation.id)
    return {
      ...old,
      items: known
        ? old.items.map((one) => (one.id === operation.id ? operation : one))
        : [operation, ...old.items],
    }
  })
  place<ApplicationDetail>(applicationPath(where, app), (old) => {
    if (!old) return old
    const others = old.operations.filter((one) => one.id !== operation.id)
    return { ...old, operations: [operation, ...others] }
  })
  if (operation.outcome || operation.kind === 'delete') {
    invalidate(`${here}/overview`)
    invalidate(`${here}/applications`)
    invalidate(`${here}/gateway`)
    invalidate(`${here}/volumes`)
  } else if (operation.release) {
    invalidate(`${applicationPath(where, app)}/releases`)
  }
}

export function applicationChanged(summary: ApplicationSummary, where: Place) {
  const here = base(where)
  const upsert = (items: ApplicationSummary[]) =>
    items.some((one) => one.id === summary.id)
      ? items.map((one) => (one.id === summary.id ? summary : one))
      : [...items, summary].sort((a, b) => a.name.localeCompare(b.name))
  place<Overview>(`${here}/overview`, (old) =>
    old ? { ...old, applications: { ...old.applications, items: upsert(old.applications.items) } } : old,
  )
  place<Page<ApplicationSummary>>(`${here}/applications?limit=100`, (old) =>
    old ? { ...old, items: upsert(old.items) } : old,
  )
  // Instances, routes and volumes are not in the event: the page that shows them reads them anew.
  invalidate(applicationPath(where, summary.name))
  invalidate(`${here}/overview`)
}
export async function putCredential(
  team: string,
  name: string,
  body: { kind: string; host: string; username?: string; secret: string },
) {
  await put(`/teams/${team}/credentials/${name}`, body)
  invalidate(`/teams/${team}/credentials`)
}
