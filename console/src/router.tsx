/** Every page and its address. A page is loaded when somebody goes there; the shell around it is loaded once. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import type { ComponentType } from 'react'
import { Problem } from './api/problem'
import { whoever } from './api/queries'
import type { Session } from './api/types'
import { asObjectsSearch } from './clusters/objects-search'
import { type AuditSearch, asSince } from './pages/audit-search'
import { Broken, NotFound } from './pages/broken'
import { Shell } from './shell/shell'

type Load = () => Promise<{ default: ComponentType }>
/** The type of a page must not become part of the type of its route: pages use the routes' types themselves. */
const lazy = (load: Load) => lazyRouteComponent(load)

async function signedIn(href: string): Promise<Session> {
  try {
    return await whoever()
  } catch (thrown) {
    const problem = Problem.of(thrown)
    if (problem.status === 401)
      throw redirect({ href: href === '/' ? '/signin' : `/signin?next=${encodeURIComponent(href)}` })
    throw problem
  }
}

const rootRoute = createRootRoute({ component: Outlet, notFoundComponent: NotFound, errorComponent: Broken })

const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined)

/** As the browser reads it: `//host`, `/\\host` and a tab between the two are all another site. */
const ofConsole = (path: unknown) =>
  typeof path === 'string' &&
  path.startsWith('/') &&
  URL.canParse(path, location.origin) &&
  new URL(path, location.origin).origin === location.origin
    ? path
    : undefined

const signInRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/signin',
  validateSearch: (search: Record<string, unknown>): { token?: string; next?: string } => ({
    token: text(search.token),
    // Only a path of this console: never an address that somebody else put there.
    next: ofConsole(search.next),
  }),
  component: lazy(() => import('./pages/signin')),
})

const passwordRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/password',
  validateSearch: (search: Record<string, unknown>): { first?: boolean } => ({
    first: search.first === true ? true : undefined,
  }),
  beforeLoad: ({ location }) => signedIn(location.href),
  component: lazy(() => import('./pages/signin').then((module) => ({ default: module.PasswordPage }))),
})

const passkeysRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/passkeys',
  validateSearch: (search: Record<string, unknown>): { first?: boolean } => ({
    first: search.first === true ? true : undefined,
  }),
  beforeLoad: ({ location }) => signedIn(location.href),
  component: lazy(() => import('./pages/passkeys')),
})

const home = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  beforeLoad: async ({ location }) => {
    const { team, environment } = await signedIn(location.href)
    throw redirect({ to: '/t/$team/e/$env', params: { team, env: environment }, replace: true })
  },
})

const placeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/t/$team/e/$env',
  beforeLoad: ({ location }) => signedIn(location.href),
  component: Shell,
  notFoundComponent: NotFound,
})

const page = <Path extends string>(path: Path, load: Load) =>
  createRoute({ getParentRoute: () => placeRoute, path, component: lazy(load) })

const appRoute = createRoute({
  getParentRoute: () => placeRoute,
  path: '/apps/$app',
  component: lazy(() => import('./pages/app/layout')),
})
const tab = <Path extends string>(path: Path, load: Load) =>
  createRoute({ getParentRoute: () => appRoute, path, component: lazy(load) })

const number = (value: unknown) => {
  const n = Number(value)
  return value !== undefined && Number.isInteger(n) && n > 0 ? n : undefined
}

/** Over how many seconds rates are. */
const asWindow = (search: Record<string, unknown>): { window?: number } => {
  const seconds = number(search.window)
  return { window: seconds !== undefined && seconds >= 60 && seconds <= 3600 ? seconds : undefined }
}

const tree = rootRoute.addChildren([
  home,
  signInRoute,
  passwordRoute,
  passkeysRoute,
  placeRoute.addChildren([
    page('/', () => import('./pages/overview')),
    page('/welcome', () => import('./pages/welcome')),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/create',
      validateSearch: (
        search: Record<string, unknown>,
      ): { app?: string; sample?: string; from?: string } => ({
        app: text(search.app),
        from: text(search.from),
        sample: text(search.sample),
      }),
      component: lazy(() => import('./pages/create')),
    }),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/create/database',
      validateSearch: (search: Record<string, unknown>): { app?: string } => ({ app: text(search.app) }),
      component: lazy(() => import('./pages/create-database')),
    }),
    page('/apps', () => import('./pages/apps')),
    page('/operations', () => import('./pages/operations')),
    page('/operations/$id', () => import('./pages/operation')),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/gateway',
      validateSearch: (search: Record<string, unknown>): { find?: string } => ({ find: text(search.find) }),
      component: lazy(() => import('./pages/gateway')),
    }),
    page('/volumes', () => import('./pages/volumes')),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/volumes/$volume',
      validateSearch: (search: Record<string, unknown>): { path?: string } => ({ path: text(search.path) }),
      component: lazy(() => import('./pages/volume')),
    }),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/images',
      validateSearch: (search: Record<string, unknown>): { repository?: string } => ({
        repository: text(search.repository),
      }),
      component: lazy(() => import('./pages/images')),
    }),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/topology',
      validateSearch: (search: Record<string, unknown>): { window?: number; all?: boolean } => ({
        ...asWindow(search),
        all: search.all === true ? true : undefined,
      }),
      component: lazy(() => import('./pages/topology')),
    }),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/org/audit',
      validateSearch: (search: Record<string, unknown>): AuditSearch => ({
        all: search.all === true ? true : undefined,
        actor: text(search.actor),
        action: text(search.action),
        object: text(search.object),
        since: asSince(search.since),
      }),
      component: lazy(() => import('./pages/audit')),
    }),
    page('/org/clusters', () => import('./pages/clusters')),
    page('/org/clusters/$cluster', () => import('./pages/cluster')),
    createRoute({
      getParentRoute: () => placeRoute,
      path: '/org/clusters/$cluster/objects',
      validateSearch: asObjectsSearch,
      component: lazy(() => import('./pages/cluster-objects')),
    }),
    page('/org/workloads', () => import('./pages/workloads')),
    appRoute.addChildren([
      tab('/', () => import('./pages/app/overview')),
      createRoute({
        getParentRoute: () => appRoute,
        path: '/topology',
        validateSearch: asWindow,
        component: lazy(() => import('./pages/app/topology')),
      }),
      createRoute({
        getParentRoute: () => appRoute,
        path: '/components',
        validateSearch: (search: Record<string, unknown>): { component?: string; add?: boolean } => ({
          component: text(search.component),
          add: search.add === true ? true : undefined,
        }),
        component: lazy(() => import('./pages/app/components')),
      }),
      createRoute({
        getParentRoute: () => appRoute,
        path: '/logs',
        validateSearch: (
          search: Record<string, unknown>,
        ): { component?: string; instance?: string; find?: string } => ({
          component: text(search.component),
          instance: text(search.instance),
          find: text(search.find),
        }),
        component: lazy(() => import('./pages/app/logs')),
      }),
      createRoute({
        getParentRoute: () => appRoute,
        path: '/terminal',
        validateSearch: (search: Record<string, unknown>): { instance?: string } => ({
          instance: text(search.instance),
        }),
        component: lazy(() => import('./pages/app/terminal')),
      }),
      tab('/database', () => import('./pages/app/database')),
      tab('/environment', () => import('./pages/app/environment')),
      createRoute({
        getParentRoute: () => appRoute,
        path: '/releases',
        validateSearch: (
          search: Record<string, unknown>,
        ): { from?: number; to?: number; rollback?: number } => ({
          from: number(search.from),
          to: number(search.to),
          rollback: number(search.rollback),
        }),
        component: lazy(() => import('./pages/app/releases')),
      }),
      tab('/volumes', () => import('./pages/app/volumes')),
      tab('/settings', () => import('./pages/app/settings')),
    ]),
  ]),
])

export const router = createRouter({ routeTree: tree, defaultPreload: 'intent', scrollRestoration: false })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
