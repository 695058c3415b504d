/** The command palette: commands on the thing in view first, then applications, pages and preferences. */
import { Dialog } from '@base-ui/react/dialog'
import { useNavigate } from '@tanstack/react-router'
import {
  Box,
  Boxes,
  Container,
  CornerDownLeft,
  HardDrive,
  History,
  House,
  Keyboard,
  Languages,
  Network,
  Plus,
  Route,
  ScrollText,
  Search,
  SunMoon,
  Waypoints,
} from 'lucide-react'
import { type ReactNode, useEffect, useId, useMemo, useRef, useState, useSyncExternalStore } from 'react'
import { useMay, useOverview } from '../api/queries'
import { setLanguage, useI18n } from '../i18n'
import { Kbd } from '../ui/controls'
import { cx } from '../ui/cx'
import { asState, StatusIcon } from '../ui/status'
import { type Command, useScopes } from './commands'
import { useKeys } from './keys'
import { openKeysHelp } from './keys-help'
import { usePlace } from './place'
import { setTheme, useDark } from './preferences'

let isOpen = false
const subscribers = new Set<() => void>()
function setOpen(open: boolean) {
  isOpen = open
  for (const subscriber of subscribers) subscriber()
}
export const openPalette = () => setOpen(true)

type Row = Command & { group: string; first: boolean }

export function Palette() {
  const { t, language } = useI18n()
  const open = useSyncExternalStore(
    (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    () => isOpen,
  )
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const [narrow, setNarrow] = useState(false)
  const navigate = useNavigate()
  const place = usePlace()
  const scopes = useScopes()
  const dark = useDark()
  const overview = useOverview()
  const mayClusters = useMay('cluster:read')
  const mayAudit = useMay('audit:view')
  const field = useRef<HTMLInputElement>(null)
  const back = useRef<HTMLElement | null>(null)
  const list = useId()

  useKeys({ 'ctrl+k': () => setOpen(!isOpen) })
  useEffect(() => {
    if (!open) return
    setQuery('')
    setAt(0)
    setNarrow(false)
  }, [open])
  if (open && !back.current) back.current = document.activeElement as HTMLElement | null
  if (!open) back.current = null

  const scope = scopes.at(-1)
  const rows = useMemo<Row[]>(() => {
    const groups: [string, Command[]][] = []
    for (const one of [...scopes].reverse()) groups.push([one.name, one.commands])
    if (!narrow) {
      groups.push([
        t('nav.applications'),
        (overview.data?.applications.items ?? []).map((app) => ({
          id: `app-${app.name}`,
          label: app.name,
          hint: app.status_note || app.urls[0],
          state: asState(app.status),
          run: () => void navigate({ to: '/t/$team/e/$env/apps/$app', params: { ...place, app: app.name } }),
        })),
      ])
      groups.push([
        t('palette.go'),
        [
          {
            id: 'create',
            label: t('nav.create'),
            hint: t('palette.createHint'),
            icon: Plus,
            keys: ['C'],
            to: '/t/$team/e/$env/create',
          },
          { id: 'overview', label: t('nav.overview'), icon: House, keys: ['G', 'O'], to: '/t/$team/e/$env' },
          {
            id: 'apps',
            label: t('nav.applications'),
            icon: Box,
            keys: ['G', 'A'],
            to: '/t/$team/e/$env/apps',
          },
          {
            id: 'topology',
            label: t('nav.topology'),
            icon: Waypoints,
            keys: ['G', 'T'],
            to: '/t/$team/e/$env/topology',
          },
          {
            id: 'gateway',
            label: t('nav.gateway'),
            icon: Route,
            keys: ['G', 'G'],
            to: '/t/$team/e/$env/gateway',
          },
          { id: 'volumes', label: t('nav.volumes'), icon: HardDrive, to: '/t/$team/e/$env/volumes' },
          { id: 'images', label: t('nav.images'), icon: Container, to: '/t/$team/e/$env/images' },
          {
            id: 'operations',
            label: t('nav.operations'),
            icon: History,
            keys: ['G', 'P'],
            to: '/t/$team/e/$env/operations',
          },
          ...(mayClusters
            ? [
                {
                  id: 'clusters',
                  label: t('nav.clusters'),
                  icon: Network,
                  keys: ['G', 'C'],
                  to: '/t/$team/e/$env/org/clusters',
                },
              ]
            : []),
          {
            id: 'workloads',
            label: t('nav.workloads'),
            icon: Boxes,
            to: '/t/$team/e/$env/org/workloads',
          },
          ...(mayAudit
            ? [{ id: 'audit', label: t('nav.audit'), icon: ScrollText, to: '/t/$team/e/$env/org/audit' }]
            : []),
        ].map(({ to, ...command }) => ({ ...command, run: () => void navigate({ to, params: place }) })),
      ])
      groups.push([
        t('palette.preferences'),
        [
          {
            id: 'theme',
            label: dark ? t('palette.light') : t('palette.dark'),
            icon: SunMoon,
            run: () => setTheme(dark ? 'light' : 'dark'),
          },
          {
            id: 'language',
            label: language === 'zh' ? 'English' : '中文',
            hint: t('palette.language'),
            icon: Languages,
            run: () => void setLanguage(language === 'zh' ? 'en' : 'zh'),
          },
          { id: 'keys', label: t('keys.title'), icon: Keyboard, keys: ['?'], run: openKeysHelp },
        ],
      ])
    }
    const words = query.toLowerCase().split(/\s+/).filter(Boolean)
    return groups.flatMap(([group, commands]) =>
      commands
        .filter((command) => {
          const text = `${command.label} ${command.hint ?? ''} ${group}`.toLowerCase()
          return words.every((word) => text.includes(word))
        })
        .map((command, index) => ({ ...command, group, first: index === 0 })),
    )
  }, [scopes, narrow, overview.data, mayClusters, mayAudit, place, query, t, dark, language, navigate])

  const current = Math.min(at, rows.length - 1)
  const run = (row: Row | undefined) => {
    if (!row) return
    setOpen(false)
    row.run()
  }
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-[oklch(0.15_0.02_250/.42)]" />
        <Dialog.Popup
          initialFocus={field}
          finalFocus={() => (back.current?.isConnected ? back.current : true)}
          className="fixed left-1/2 top-3 z-50 w-[min(640px,calc(100vw-24px))] -translate-x-1/2 overflow-hidden rounded-2xl border border-line-2 bg-raised shadow-3 outline-none md:top-[13vh]"
        >
          <Dialog.Title className="sr-only">{t('palette.title')}</Dialog.Title>
          <div className="flex h-13 items-center gap-3 border-b px-4">
            <Search size={17} className="shrink-0 text-fg-3" aria-hidden />
            <input
              ref={field}
              role="combobox"
              aria-expanded
              aria-controls={list}
              aria-activedescendant={rows.length ? `${list}-${current}` : undefined}
              aria-label={t('palette.title')}
              value={query}
              placeholder={t('palette.placeholder')}
              onChange={(event) => {
                setQuery(event.target.value)
                setAt(0)
              }}
              onKeyDown={(event) => {
                if (event.key === 'ArrowDown') setAt((current + 1) % Math.max(1, rows.length))
                else if (event.key === 'ArrowUp')
                  setAt((current + rows.length - 1) % Math.max(1, rows.length))
                else if (event.key === 'Enter') run(rows[current])
                else if (event.key === 'Tab' && scope && !event.shiftKey && !narrow) setNarrow(true)
                else if (event.key === 'Backspace' && !query && narrow) setNarrow(false)
                else return
                event.preventDefault()
              }}
              className="h-full min-w-0 flex-1 bg-transparent text-lg outline-none placeholder:text-fg-3"
            />
            {scope && narrow && (
              <span className="rounded-sm bg-accent-soft px-1.5 text-2xs font-medium text-accent-fg">
                {scope.name}
              </span>
            )}
          </div>
          <div
            id={list}
            role="listbox"
            aria-label={t('palette.results')}
            className="max-h-[52vh] overflow-auto p-2"
          >
            {rows.map((row, index) => (
              <div key={`${row.group}-${row.id}`} role="presentation">
                {row.first && (
                  <div role="presentation" className="eyebrow px-2.5 pb-1 pt-2">
                    {row.group}
                  </div>
                )}
                {/* biome-ignore lint/a11y/useKeyWithClickEvents: Enter is handled by the field. */}
                {/* biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus. */}
                <div
                  id={`${list}-${index}`}
                  role="option"
                  aria-selected={index === current}
                  ref={index === current ? scrollTo : undefined}
                  onMouseMove={() => setAt(index)}
                  onClick={() => run(row)}
                  className={cx(
                    'flex min-h-9 cursor-pointer items-center gap-3 rounded-lg px-2.5',
                    index === current && 'bg-accent-soft',
                  )}
                >
                  {row.state ? (
                    <StatusIcon state={row.state} size={15} />
                  ) : row.icon ? (
                    <row.icon size={15} strokeWidth={1.9} className="shrink-0 text-fg-3" aria-hidden />
                  ) : null}
                  <span className="whitespace-nowrap text-sm font-medium">{mark(row.label, query)}</span>
                  <span
                    className={cx(
                      'min-w-0 flex-1 truncate text-xs',
                      index === current ? 'text-fg-2' : 'text-fg-3',
                    )}
                  >
                    {row.hint}
                  </span>
                  {row.keys && (
                    <span className="flex gap-1">
                      {row.keys.map((key) => (
                        <Kbd key={key}>{key}</Kbd>
                      ))}
                    </span>
                  )}
                </div>
              </div>
            ))}
          </div>
          {rows.length === 0 && <p className="px-5 pb-5 text-sm text-fg-2">{t('palette.nothing')}</p>}
          <div className="hidden items-center gap-4 border-t bg-sunken px-4 py-2 text-2xs text-fg-3 md:flex">
            <span className="flex items-center gap-1.5">
              <Kbd>↑</Kbd>
              <Kbd>↓</Kbd> {t('palette.move')}
            </span>
            <span className="flex items-center gap-1.5">
              <Kbd>
                <CornerDownLeft size={10} aria-label="Enter" />
              </Kbd>{' '}
              {t('palette.run')}
            </span>
            {scope && (
              <span className="flex items-center gap-1.5">
                <Kbd>Tab</Kbd> {t('palette.narrow', { name: scope.name })}
              </span>
            )}
            <span className="ml-auto flex items-center gap-1.5">
              <Kbd>Esc</Kbd> {t('common.close')}
            </span>
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

const scrollTo = (element: HTMLElement | null) => element?.scrollIntoView({ block: 'nearest' })

/** Marks the first place where what was typed is found. */
function mark(text: string, query: string): ReactNode {
  const word = query.trim()
  const at = word ? text.toLowerCase().indexOf(word.toLowerCase()) : -1
  if (at < 0) return text
  return (
    <>
      {text.slice(0, at)}
      <mark className="bg-transparent font-semibold text-accent-fg underline decoration-accent-line underline-offset-2">
        {text.slice(at, at + word.length)}
      </mark>
      {text.slice(at + word.length)}
    </>
  )
}
