/** What the console asks about volumes and their files, and what it changes of them. */
import { base, type Place, usePlace } from '../shell/place'
import { ask, get, post, remove, root } from './client'
import { operationChanged } from './queries'
import { invalidate, useResource } from './resource'
import type { FileEntry, Folder, Operation, Page, VolumeSummary } from './types'

const volumesPath = (where: Place) => `${base(where)}/volumes`
const volumePath = (where: Place, id: string) => `${volumesPath(where)}/${id}`

/** Those of the environment; asking has sizes measured that are older than some minutes. */
export const useVolumes = () =>
  useResource<Page<VolumeSummary>>(`${volumesPath(usePlace())}?measure=true&limit=200`)
export const useVolume = (id: string) => useResource<VolumeSummary>(volumePath(usePlace(), id))

const changed = (where: Place) => (operation: Operation) => {
  operationChanged(operation, where)
  invalidate(volumesPath(where))
  return operation
}
const again = (where: Place) => (volume: VolumeSummary) => {
  invalidate(volumesPath(where))
  return volume
}

export const attachVolume = (
  where: Place,
  id: string,
  body: { application: string; component: string; path: string; access?: string; read_only?: boolean },
) => post<Operation>(`${volumePath(where, id)}/attach`, body).then(changed(where))
export const detachVolume = (where: Place, id: string, application: string) =>
  post<Operation>(`${volumePath(where, id)}/detach`, { application }).then(changed(where))
export const cloneVolume = (where: Place, id: string, body: { name: string; application?: string }) =>
  post<Operation>(`${volumePath(where, id)}/clone`, body).then(changed(where))
export const deleteVolume = (where: Place, id: string, name: string) =>
  remove<VolumeSummary>(`${volumePath(where, id)}?confirm=${encodeURIComponent(name)}`).then(again(where))
export const restoreVolume = (where: Place, id: string) =>
  post<VolumeSummary>(`${volumePath(where, id)}/restore`).then(again(where))

// Files

const at = (path: string) => `path=${encodeURIComponent(path)}`
const filesPath = (where: Place, id: string) => `${volumePath(where, id)}/files`
export const useFolder = (id: string, path: string) =>
  useResource<Folder>(`${filesPath(usePlace(), id)}?${at(path)}`)
/** Where a browser downloads a file, or a folder as a tar archive. */
export const downloadPath = (where: Place, id: string, path: string) =>
  `${root}${volumePath(where, id)}/content?${at(path)}`
/** The beginning of a file, as text. */
export const readText = (where: Place, id: string, path: string, most: number) =>
  get<string>(`${volumePath(where, id)}/content?${at(path)}&most=${most}`)

const filed = (where: Place, id: string) => (entry: FileEntry) => {
  invalidate(filesPath(where, id))
  return entry
}
export const uploadFile = (where: Place, id: string, path: string, bytes: Blob, replace: boolean) =>
  ask<FileEntry>('PUT', `${volumePath(where, id)}/content?${at(path)}&replace=${replace}`, {
    upload: { bytes, type: 'application/octet-stream' },
  }).then((answer) => filed(where, id)(answer.data))
export const makeFolder = (where: Place, id: string, path: string) =>
  post<FileEntry>(`${volumePath(where, id)}/folders?${at(path)}`).then(filed(where, id))
export const removeFile = (where: Place, id: string, path: string) =>
  remove<FileEntry>(`${filesPath(where, id)}?${at(path)}&recursive=true`).then(filed(where, id))
