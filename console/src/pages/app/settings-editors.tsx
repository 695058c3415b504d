/** Editors of probes and routes: the parts of a specification that are lists. */
import { Plus, Trash2 } from 'lucide-react'
import type { ComponentDetail, ProbeKind, ProbeSpec, ProbesSpec, RouteSpec } from '../../api/types'
import { useI18n } from '../../i18n'
import { Card } from '../../ui/card'
import { Button, Field, Input, Select, Switch } from '../../ui/controls'

type Ports = ComponentDetail['ports']

/** A probe as the form holds it; `none` leaves the default. */
export interface ProbeForm {
  type: 'none' | 'http' | 'tcp' | 'command'
  path: string
  port: string
  command: string
  period: string
}
type Unhealthy = NonNullable<ProbesSpec['unhealthy']>
export type ProbeForms = Record<ProbeKind, ProbeForm> & { unhealthy: Unhealthy }

const kinds: ProbeKind[] = ['startup', 'ready', 'live']

export function fromSpec(probes: ProbesSpec | undefined): ProbeForms {
  const form = (probe: ProbeSpec | undefined): ProbeForm => ({
    type: probe?.http ? 'http' : probe?.tcp ? 'tcp' : probe?.command ? 'command' : 'none',
    path: probe?.http?.path ?? '/',
    port: String(probe?.http?.port ?? probe?.tcp?.port ?? ''),
    command: Array.isArray(probe?.command) ? probe.command.join(' ') : (probe?.command ?? ''),
    period: probe?.period ?? '',
  })
  return {
    startup: form(probes?.startup),
    ready: form(probes?.ready),
    live: form(probes?.live),
    unhealthy: probes?.unhealthy ?? 'restart',
  }
}

export function toSpec(forms: ProbeForms, old: ProbesSpec | undefined) {
  const probes: ProbesSpec = {}
  for (const kind of kinds) {
    const form = forms[kind]
    if (form.type === 'none') continue
    // What the form does not show (headers, failures in a row …) stays as it was.
    const { http, tcp: _tcp, command: _command, period: _period, ...rest } = old?.[kind] ?? {}
    const port = form.port === '' ? {} : { port: /^\d+$/.test(form.port) ? Number(form.port) : form.port }
    probes[kind] = {
      ...rest,
      ...(form.type === 'http'
        ? { http: { ...http, path: form.path || '/', port: undefined, ...port } }
        : {}),
      ...(form.type === 'tcp' ? { tcp: port } : {}),
      ...(form.type === 'command' ? { command: form.command } : {}),
      ...(form.period ? { period: form.period } : {}),
    }
  }
  if (probes.live && forms.unhealthy !== 'restart') probes.unhealthy = forms.unhealthy
  return probes
}

export function ProbesEditor({
  probes,
  onChange,
  ports,
}: {
  probes: ProbeForms
  onChange: (probes: ProbeForms) => void
  ports: Ports
}) {
  const { t } = useI18n()
  return (
    <Card title={t('probe.title')} hint={t('probe.hint')} pad={false}>
      <ul className="divide-y divide-line border-t">
        {kinds.map((kind) => {
          const probe = probes[kind]
          const set = (part: Partial<ProbeForm>) => onChange({ ...probes, [kind]: { ...probe, ...part } })
          return (
            <li key={kind} className="grid gap-x-3 gap-y-2 px-4 py-3 md:grid-cols-[180px_minmax(0,1fr)]">
              <div>
                <h3 className="text-sm font-medium">{t(`probe.${kind}`)}</h3>
                <p className="text-xs text-fg-3">{t(`probe.${kind}Hint`)}</p>
              </div>
              <div className="grid min-w-0 grid-cols-2 gap-3 md:grid-cols-[140px_minmax(0,1fr)_110px_90px]">
                <Field label={t('probe.type')}>
                  {(control) => (
                    <Select
                      {...control}
                      value={probe.type}
                      onChange={(event) => set({ type: event.target.value as ProbeForm['type'] })}
                      className="w-full"
                    >
                      <option value="none">{t('probe.none')}</option>
                      <option value="http">HTTP</option>
                      <option value="tcp">TCP</option>
                      <option value="command">{t('probe.command')}</option>
                    </Select>
                  )}
                </Field>
                {kind === 'live' && probe.type !== 'none' && (
                  <Field label={t('probe.unhealthy')} className="order-last col-span-2 md:col-span-4">
                    {(control) => (
                      <Select
                        {...control}
                        value={probes.unhealthy}
                        onChange={(event) =>
                          onChange({ ...probes, unhealthy: event.target.value as Unhealthy })
                        }
                        className="w-full"
                      >
                        <option value="restart">{t('choice.restart')}</option>
                        <option value="offline">{t('choice.offline')}</option>
                        <option value="report">{t('choice.report')}</option>
                      </Select>
                    )}
                  </Field>
                )}
                {probe.type === 'http' && (
                  <Field label={t('probe.path')}>
                    {(control) => (
                      <Input
                        {...control}
                        mono
                        value={probe.path}
                        onChange={(event) => set({ path: event.target.value })}
                      />
                    )}
                  </Field>
                )}
                {probe.type === 'command' && (
                  <Field label={t('probe.commandLine')}>
                    {(control) => (
                      <Input
                        {...control}
                        mono
                        value={probe.command}
                        onChange={(event) => set({ command: event.target.value })}
                      />
                    )}
                  </Field>
                )}
                {(probe.type === 'http' || probe.type === 'tcp') && (
                  <Field label={t('probe.port')}>
                    {(control) => (
                      <Select
                        {...control}
                        value={probe.port}
                        onChange={(event) => set({ port: event.target.value })}
                        className="w-full"
                      >
                        <option value="">{t('probe.firstPort')}</option>
                        {ports.map((port) => (
                          <option key={port.name} value={port.name}>
                            {port.name} {port.port}
                          </option>
                        ))}
                        {probe.port && !ports.some((port) => port.name === probe.port) && (
                          <option>{probe.port}</option>
                        )}
                      </Select>
                    )}
                  </Field>
                )}
                {probe.type !== 'none' && (
                  <Field label={t('probe.period')}>
                    {(control) => (
                      <Input
                        {...control}
                        mono
                        placeholder="5s"
                        value={probe.period}
                        onChange={(event) => set({ period: event.target.value.trim() })}
                      />
                    )}
                  </Field>
                )}
              </div>
            </li>
          )
        })}
      </ul>
    </Card>
  )
}

export function RoutesEditor({
  routes,
  onChange,
  ports,
}: {
  routes: RouteSpec[]
  onChange: (routes: RouteSpec[]) => void
  ports: Ports
}) {
  const { t } = useI18n()
  const set = (at: number, part: Partial<RouteSpec>) =>
    onChange(routes.map((route, index) => (index === at ? { ...route, ...part } : route)))
  return (
    <Card
      title={t('route.title')}
      hint={t('route.editHint')}
      pad={false}
      action={
        <Button
          size="sm"
          variant="ghost"
          onClick={() => onChange([...routes, {}])}
          disabled={ports.length === 0}
        >
          <Plus size={13} aria-hidden />
          {t('route.add')}
        </Button>
      }
    >
      <ul className="divide-y divide-line border-t">
        {routes.map((route, at) => (
          <li key={at} className="flex flex-wrap items-end gap-3 px-4 py-3">
            <Field label={t('route.host')} className="min-w-44 flex-[2]">
              {(control) => (
                <Input
                  {...control}
                  mono
                  placeholder={t('route.hostDefault')}
                  value={route.host ?? ''}
                  onChange={(event) => set(at, { host: event.target.value.trim() || undefined })}
                />
              )}
            </Field>
            <Field label={t('route.path')} className="min-w-28 flex-1">
              {(control) => (
                <Input
                  {...control}
                  mono
                  placeholder="/"
                  value={route.path ?? ''}
                  onChange={(event) => set(at, { path: event.target.value || undefined })}
                />
              )}
            </Field>
            <Field label={t('probe.port')} className="w-32">
              {(control) => (
                <Select
                  {...control}
                  value={route.port ?? ''}
                  onChange={(event) => set(at, { port: event.target.value || undefined })}
                  className="w-full"
                >
                  <option value="">{t('probe.firstPort')}</option>
                  {ports.map((port) => (
                    <option key={port.name} value={port.name}>
                      {port.name} {port.port}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <div className="flex h-8 items-center">
              <Switch
                checked={route.exact ?? false}
                onChange={(exact) => set(at, { exact: exact || undefined })}
                label={t('route.exact')}
              />
            </div>
            <Button
              variant="ghost"
              square
              aria-label={t('env.remove', {
                name: `${route.host ?? t('route.hostDefault')}${route.path ?? '/'}`,
              })}
              onClick={() => onChange(routes.filter((_, index) => index !== at))}
            >
              <Trash2 size={14} aria-hidden />
            </Button>
          </li>
        ))}
        {routes.length === 0 && (
          <li className="px-4 py-5 text-center text-sm text-fg-2">
            {ports.length ? t('route.defaultOnly') : t('route.noPort')}
          </li>
        )}
      </ul>
    </Card>
  )
}
