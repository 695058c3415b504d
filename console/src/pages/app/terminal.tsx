/** A shell in an instance. The terminal itself is loaded when somebody opens this page. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { SquareTerminal } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { Problem } from '../../api/problem'
import { useMay } from '../../api/queries'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Button, Field, Input, Kbd, Select } from '../../ui/controls'
import { Empty, ProblemPanel } from '../../ui/panels'
import { shortName } from '../application-view'
import { useApp } from './context'

const Shell = lazy(() => import('../../terminal/shell'))

export default function TerminalPage() {
  const { app, component } = useApp()
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const may = useMay('instance:exec')
  const search = useSearch({ strict: false }) as { instance?: string }
  const [command, setCommand] = useState('')
  const [session, setSession] = useState<{ key: number; instance: string; command: string }>()
  const able = (component?.kind === 'external' ? [] : (component?.instances ?? [])).filter((one) =>
    ['ready', 'starting', 'not-ready', 'draining'].includes(one.state.state),
  )
  const chosen =
    able.find((one) => one.name === search.instance) ?? able.find((one) => one.current) ?? able[0]
  if (!may)
    return (
      <div className="p-5">
        <ProblemPanel
          problem={
            new Problem({
              status: 403,
              code: 'permission.denied',
              title: t('terminal.forbidden'),
              cause: t('forbidden.needs', { permission: 'instance:exec' }),
              remedy: t('forbidden.ask'),
            })
          }
        />
      </div>
    )
  if (!chosen && !session)
    return (
      <div className="p-5">
        <div className="card">
          <Empty icon={SquareTerminal} title={t('terminal.none')} text={t('terminal.noneText')} />
        </div>
      </div>
    )
  const open = (instance: string) => setSession((old) => ({ key: (old?.key ?? 0) + 1, instance, command }))
  return (
    <section
      aria-label={t('app.tab.terminal')}
      className="flex min-h-0 flex-1 flex-col max-md:h-[calc(100dvh-260px)]"
    >
      <form
        className="flex flex-wrap items-end gap-3 border-b bg-surface px-4 py-2.5"
        onSubmit={(event) => {
          event.preventDefault()
          if (chosen) open(chosen.name)
        }}
      >
        <Field label={t('instance.name')}>
          {(control) => (
            <Select
              {...control}
              value={chosen?.name ?? ''}
              onChange={(event) =>
                void navigate({
                  to: '/t/$team/e/$env/apps/$app/terminal',
                  params: { ...place, app: app.name },
                  search: { instance: event.target.value },
                  replace: true,
                })
              }
            >
              {able.map((one) => (
                <option key={one.name} value={one.name}>
                  {shortName(one.name)}
                </option>
              ))}
            </Select>
          )}
        </Field>
        <Field label={t('terminal.command')} className="w-40">
          {(control) => (
            <Input
              {...control}
              mono
              placeholder="bash, sh"
              value={command}
              onChange={(event) => setCommand(event.target.value)}
            />
          )}
        </Field>
        <Button type="submit" variant="primary" disabled={!chosen}>
          <SquareTerminal size={14} aria-hidden />
          {session ? t('terminal.again') : t('terminal.open')}
        </Button>
        <p className="flex h-8 min-w-0 items-center gap-1.5 text-xs text-fg-3 max-md:hidden">
          {t('terminal.leave')} <Kbd>Ctrl</Kbd>
          <Kbd>Shift</Kbd>
          <Kbd>K</Kbd>
        </p>
      </form>
      {session ? (
        <Suspense fallback={<p className="p-4 text-sm text-fg-2">{t('common.loading')}</p>}>
          <Shell key={session.key} app={app.name} instance={session.instance} command={session.command} />
        </Suspense>
      ) : (
        <div className="grid flex-1 place-items-center bg-code p-6 text-center text-sm text-fg-2">
          <p className="max-w-[420px]">{t('terminal.text')}</p>
        </div>
      )}
    </section>
  )
}
