/** Lines of the application: what was kept, then live. Filters are in the address, so a view can be sent to somebody. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Download, Pause, Play, Search } from 'lucide-react'
import { useDeferredValue, useMemo, useRef, useState } from 'react'
import { useLogStream } from '../../api/streams'
import { useI18n } from '../../i18n'
import { useKeys } from '../../shell/keys'
import { usePlace } from '../../shell/place'
import { Button, Kbd, Select } from '../../ui/controls'
import { type LogLine, LogView, toneOfText } from '../../ui/log'
import { ProblemPanel } from '../../ui/panels'
import { shortName } from '../application-view'
import { useApp } from './context'

export default function Logs() {
  const { app, component } = useApp()
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as { component?: string; instance?: string; find?: string }
  const field = useRef<HTMLInputElement>(null)
  const [find, setFind] = useState(search.find ?? '')
  const [held, setHeld] = useState<LogLine[]>()
  const { lines, state, problem } = useLogStream(app.name, {
    component: search.component,
    instance: search.instance,
  })
  const set = (part: typeof search) =>
    void navigate({
      to: '/t/$team/e/$env/apps/$app/logs',
      params: { ...place, app: app.name },
      search: { ...search, ...part },
      replace: true,
    })
  const deferred = useDeferredValue(find)
  const rows = useMemo<LogLine[]>(
    () =>
      lines.map((line) => ({
        id: line.id,
        at: line.at,
        text: line.text,
        from: line.container ? `${shortName(line.instance)}/${line.container}` : shortName(line.instance),
        tone:
          line.stream === 'pluvio'
            ? 'dim'
            : line.stream === 'err'
              ? (toneOfText(line.text) ?? 'plain')
              : toneOfText(line.text),
      })),
    [lines],
  )
  const toggle = () => setHeld((old) => (old ? undefined : rows))
  useKeys({ '/': () => field.current?.focus(), space: toggle })
  const instances = [
    ...new Set([
      // Of a run, which is none of the instances and may have said nothing.
      ...(search.instance ? [search.instance] : []),
      ...(component?.instances.map((one) => one.name) ?? []),
      ...lines.map((line) => line.instance),
    ]),
  ]
  const save = () => {
    const said = (line: (typeof lines)[number]) =>
      line.container ? `${line.instance}/${line.container}` : line.instance
    const text = lines.map((line) => `${line.at} ${said(line)} ${line.text}\n`).join('')
    const link = document.createElement('a')
    link.href = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
    link.download = `${app.name}.log`
    link.click()
    URL.revokeObjectURL(link.href)
  }
  return (
    <section
      aria-label={t('app.tab.logs')}
      className="flex min-h-0 flex-1 flex-col max-md:h-[calc(100dvh-260px)]"
    >
      <div className="flex flex-wrap items-center gap-2 border-b bg-surface px-3 py-2 md:px-4">
        <label className="flex h-8 min-w-40 flex-1 items-center gap-2 rounded-md border border-line-3 px-2.5 text-fg-3 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent">
          <Search size={14} aria-hidden className="shrink-0" />
          <input
            ref={field}
            aria-label={t('log.find')}
            placeholder={t('log.find')}
            value={find}
            onChange={(event) => setFind(event.target.value)}
            onBlur={() => set({ find: find || undefined })}
            onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
            className="w-full min-w-0 bg-transparent text-fg outline-none placeholder:text-fg-3"
          />
          <Kbd>/</Kbd>
        </label>
        {app.components.length > 1 && (
          <Select
            aria-label={t('app.component')}
            value={search.component ?? ''}
            onChange={(event) => set({ component: event.target.value || undefined })}
          >
            <option value="">{t('log.allComponents')}</option>
            {app.components.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </Select>
        )}
        <Select
          aria-label={t('instance.name')}
          value={search.instance ?? ''}
          onChange={(event) => set({ instance: event.target.value || undefined })}
          className="max-w-56"
        >
          <option value="">{t('log.allInstances')}</option>
          {instances.map((name) => (
            <option key={name} value={name}>
              {shortName(name)}
            </option>
          ))}
        </Select>
        <Button onClick={save} disabled={lines.length === 0} aria-label={t('log.save')} square>
          <Download size={14} aria-hidden />
        </Button>
        <Button variant={held ? 'default' : 'primary'} onClick={toggle} aria-pressed={!held}>
          {held ? <Play size={13} aria-hidden /> : <Pause size={13} aria-hidden />}
          {held ? t('log.resume') : t('log.live')}
          <Kbd on>{t('log.space')}</Kbd>
        </Button>
      </div>
      {problem && lines.length === 0 && <ProblemPanel bare problem={problem} />}
      <LogView
        lines={held ?? rows}
        label={t('log.of', { app: app.name })}
        find={deferred}
        live={!held}
        empty={state === 'connecting' ? t('common.loading') : deferred ? t('log.noMatch') : t('log.empty')}
      />
    </section>
  )
}
