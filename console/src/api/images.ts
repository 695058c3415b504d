/** What the console asks about images in the registry, and what it changes of them. They are a team's, whatever the environment. */
import { usePlace } from '../shell/place'
import { post, put, remove } from './client'
import { invalidate, place, useResource } from './resource'
import type { ImageList, ImagesCollected, ImageTag, Page } from './types'

const imagesPath = (team: string) => `/teams/${team}/images`

export const useImages = () => useResource<ImageList>(imagesPath(usePlace().team))
export const useImageTags = (repository: string | undefined) => {
  const { team } = usePlace()
  return useResource<Page<ImageTag>>(
    repository && `${imagesPath(team)}/tags?repository=${encodeURIComponent(repository)}`,
  )
}
/** `reference`: a tag, or a digest and with it all its tags. */
export async function deleteImage(team: string, repository: string, reference: string) {
  await remove(
    `${imagesPath(team)}?repository=${encodeURIComponent(repository)}&reference=${encodeURIComponent(reference)}`,
  )
  invalidate(imagesPath(team))
}
export async function setImageQuota(team: string, bytes: number | undefined) {
  const list = await put<ImageList>(`${imagesPath(team)}/quota`, { bytes })
  place<ImageList>(imagesPath(team), () => list)
}
export async function collectImages(team: string) {
  const done = await post<ImagesCollected>('/images/collect')
  invalidate(imagesPath(team))
  return done
}
