/** Where the person is: the team and environment of the URL. */
import { useParams } from '@tanstack/react-router'
import { useMemo } from 'react'

export interface Place {
  team: string
  env: string
}

export function usePlace(): Place {
  const { team = '', env = '' } = useParams({ strict: false }) as Partial<Place>
  return useMemo(() => ({ team, env }), [team, env])
}

/** The path of the API for the team and environment in view. */
export const base = ({ team, env }: Place) => `/teams/${team}/environments/${env}`
