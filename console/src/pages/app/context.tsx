/** The application that the pages below its address show, and the component in view. */
import { useParams } from '@tanstack/react-router'
import { createContext, useContext } from 'react'
import type { ApplicationDetail, ComponentDetail } from '../../api/types'

export interface AppInView {
  app: ApplicationDetail
  component: ComponentDetail | undefined
  /** For `If-Match` on a change. */
  etag: string | undefined
  refresh: () => void
}

const Context = createContext<AppInView | undefined>(undefined)
export const AppProvider = Context.Provider

export function useApp(): AppInView {
  const value = useContext(Context)
  if (!value) throw new Error('only pages below an application use this')
  return value
}

export const useAppName = () => (useParams({ strict: false }) as { app?: string }).app ?? ''
