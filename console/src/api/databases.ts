/** What the console asks of databases. */
import { base, type Place, usePlace } from '../shell/place'
import { patch, post, put, remove, root } from './client'
import { applicationPath } from './queries'
import { invalidate, useResource } from './resource'
import type {
  Backup,
  BackupSchedule,
  DatabaseFigures,
  DatabaseSummary,
  DatabaseUser,
  Operation,
  Page,
  UserMade,
  UserRights,
} from './types'

export const databasePath = (where: Place, app: string, component: string) =>
  `${applicationPath(where, app)}/databases/${component}`

export const useDatabase = (app: string, component: string) =>
  useResource<DatabaseSummary>(databasePath(usePlace(), app, component))
export const useBackups = (app: string, component: string) =>
  useResource<Page<Backup>>(`${databasePath(usePlace(), app, component)}/backups`)
export const useDatabaseUsers = (app: string, component: string | undefined) => {
  const where = usePlace()
  return useResource<Page<DatabaseUser>>(
    component ? `${databasePath(where, app, component)}/users` : undefined,
  )
}
export const useFigures = (app: string, component: string | undefined) => {
  const where = usePlace()
  return useResource<DatabaseFigures>(
    component ? `${databasePath(where, app, component)}/figures` : undefined,
  )
}

const changed =
  (path: string) =>
  <T>(answer: T) => {
    invalidate(path)
    return answer
  }

export const backUp = (path: string) => post<Operation>(`${path}/backups`).then(changed(path))
export const restoreBackup = (path: string, backup: string, into: string, confirm: string) =>
  post<Operation>(`${path}/backups/${backup}/restore`, { into, confirm: confirm || undefined }).then(
    changed(path),
  )
export const deleteBackup = (path: string, backup: string) =>
  remove<void>(`${path}/backups/${backup}`).then(changed(path))
export const backupFile = (path: string, backup: string) => `${root}${path}/backups/${backup}/file`
export const revealAddress = (path: string) => post<{ url: string }>(`${path}/address`)
export const setSchedule = (path: string, schedule: BackupSchedule) =>
  put<Operation>(`${path}/schedule`, schedule).then(changed(path))
export const removeSchedule = (path: string) => remove<Operation>(`${path}/schedule`).then(changed(path))
export const setParameter = (path: string, name: string, value: string | null) =>
  patch<Operation>(`${path}/parameters`, { parameters: { [name]: value } }).then(changed(path))
export const makeUser = (path: string, name: string, rights: UserRights) =>
  post<UserMade>(`${path}/users`, { name, rights }).then(changed(path))
export const removeUser = (path: string, name: string) =>
  remove<void>(`${path}/users/${name}?confirm=${name}`).then(changed(path))
export const addDatabase = (where: Place, app: string, component: string, database: string, daily: boolean) =>
  post<Operation>(`${base(where)}/applications/${app}/databases`, {
    component,
    database,
    backups: daily ? { cron: '0 3 * * *', keep: 7 } : undefined,
  })
