import type { Spec } from '../api/types'

/** What an application begins with that is made component by component. */
export const emptySpec: Spec = { apiVersion: 'pluvio/v1', name: 'my-app', components: {} }
