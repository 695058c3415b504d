/** The bar at the top of a page: where this is, what can be done here, and the page's tabs. */
import { Tabs } from '@base-ui/react/tabs'
import { Link, useNavigate } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { useI18n } from '../i18n'
import { cx } from '../ui/cx'
import { type Keymap, useKeys } from './keys'

export function Top({ crumbs, right, tabs }: { crumbs: ReactNode[]; right?: ReactNode; tabs?: ReactNode }) {
  const { t } = useI18n()
  return (
    <header className="sticky top-0 z-20 border-b bg-surface">
      <div className="flex min-h-12 flex-wrap items-center gap-x-3 gap-y-1 px-4 py-1.5 md:px-5">
        <nav aria-label={t('nav.crumbs')} className="min-w-0">
          <ol className="flex min-w-0 items-center gap-1.5 text-sm text-fg-3">
            {crumbs.map((crumb, index) => (
              <li
                key={index}
                className={cx(
                  'flex min-w-0 items-center gap-1.5',
                  index === crumbs.length - 1 ? 'font-semibold text-fg' : 'shrink-0 max-md:hidden',
                )}
              >
                {index > 0 && (
                  <span className="text-line-3 max-md:hidden" aria-hidden>
                    /
                  </span>
                )}
                {crumb}
              </li>
            ))}
          </ol>
        </nav>
        <div className="ml-auto flex flex-wrap items-center gap-2">{right}</div>
      </div>
      {tabs}
    </header>
  )
}

export interface Tab {
  id: string
  label: string
  count?: number
  to: string
}

/** Tabs of a page are places of the URL: one tab stop, arrows inside, 1 to 9 from anywhere on the page. */
export function TabBar({ items, value, label }: { items: Tab[]; value: string; label: string }) {
  const navigate = useNavigate()
  const keys: Keymap = {}
  items.forEach((item, index) => {
    keys[String(index + 1)] = () => void navigate({ to: item.to })
  })
  useKeys(keys)
  return (
    <Tabs.Root value={value}>
      <Tabs.List aria-label={label} className="flex gap-0.5 overflow-x-auto px-2.5 md:px-3.5">
        {items.map((item) => (
          <Tabs.Tab
            key={item.id}
            value={item.id}
            nativeButton={false}
            render={<Link to={item.to} preload="intent" />}
            className="touch relative flex h-9 shrink-0 items-center gap-1.5 whitespace-nowrap px-2 text-sm text-fg-3 outline-offset-[-2px] hover:text-fg data-[active]:font-medium data-[active]:text-fg data-[active]:after:absolute data-[active]:after:inset-x-2 data-[active]:after:bottom-0 data-[active]:after:h-0.5 data-[active]:after:rounded-full data-[active]:after:bg-accent"
          >
            {item.label}
            {item.count !== undefined && (
              <span className="num rounded-sm bg-mute-soft px-1 text-2xs font-medium text-fg-3">
                {item.count}
              </span>
            )}
          </Tabs.Tab>
        ))}
      </Tabs.List>
    </Tabs.Root>
  )
}
