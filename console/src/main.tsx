import './styles.css'
import { RouterProvider } from '@tanstack/react-router'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { onSignedOut } from './api/client'
import { preferredLanguage, setLanguage } from './i18n'
import { router } from './router'

await setLanguage(preferredLanguage(), false)

onSignedOut(() => {
  const { pathname, searchStr } = router.state.location
  if (pathname !== '/signin')
    void router.navigate({ href: `/signin?next=${encodeURIComponent(pathname + searchStr)}` })
})

const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <RouterProvider router={router} />
  </StrictMode>,
)
