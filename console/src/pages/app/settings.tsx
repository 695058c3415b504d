/** How many, how large, how it is checked, where it is reached; power; and how it is deleted. */
import { useNavigate } from '@tanstack/react-router'
import { Minus, Play, Plus, RotateCcw, Square, Trash2 } from 'lucide-react'
import { useMemo, useState } from 'react'
import { Problem } from '../../api/problem'
import { act, deleteApplication, useMay, useSpec } from '../../api/queries'
import type {
  ApplicationDetail,
  ComponentDetail,
  ComponentPatch,
  ComponentSpec,
  RouteSpec,
} from '../../api/types'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card, Page } from '../../ui/card'
import { Button, Field, Input } from '../../ui/controls'
import { ConfirmByName } from '../../ui/dialog'
import { Denied, LoadingRows, ProblemPanel } from '../../ui/panels'
import { toast } from '../../ui/toast'
import { useChange } from './change'
import { useApp } from './context'
import { comesToAnEnd } from './runs'
import { ScalingCard } from './scaling'
import { fromSpec, ProbesEditor, RoutesEditor, toSpec } from './settings-editors'

export default function Settings() {
  const { app, component } = useApp()
  const spec = useSpec(app.name)
  if (!component) return null
  // The form starts from what is there; a new revision makes a new form.
  const own = spec.data?.spec.components[component.name]
  if (!spec.data || !own)
    return (
      <Page width="max-w-[1000px]">
        {spec.problem ? (
          <ProblemPanel problem={spec.problem} onRetry={spec.refresh} />
        ) : (
          <div className="card">
            <LoadingRows />
          </div>
        )}
      </Page>
    )
  if (component.kind === 'external') return <Outside app={app} component={component} />
  return <Form key={`${component.name}-${spec.data.revision}`} app={app} component={component} spec={own} />
}

/** Nothing of it runs here: where it is stands in the specification. */
function Outside({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const { t } = useI18n()
  return (
    <div className="min-h-0 flex-1 md:overflow-auto">
      <Page width="max-w-[1000px]">
        <Card title={t('outside.title')} hint={(component.addresses ?? []).join(', ')}>
          <p className="text-sm text-fg-2">{t('outside.change')}</p>
        </Card>
        <DeleteCard app={app} />
      </Page>
    </div>
  )
}

function Form({
  app,
  component,
  spec,
}: {
  app: ApplicationDetail
  component: ComponentDetail
  spec: ComponentSpec
}) {
  const { t } = useI18n()
  const may = useMay('application:configure')
  const start = useMemo(
    () => ({
      instances: component.instances_wanted || spec.instances || 1,
      cpu: spec.resources?.cpu?.limit != null ? String(spec.resources.cpu.limit) : '',
      memory: spec.resources?.memory?.limit ?? '',
      probes: fromSpec(spec.probes),
      routes: spec.routes ?? [],
    }),
    [component.instances_wanted, spec],
  )
  const [instances, setInstances] = useState(start.instances)
  const [cpu, setCpu] = useState(start.cpu)
  const [memory, setMemory] = useState(start.memory)
  const [probes, setProbes] = useState(start.probes)
  const [routes, setRoutes] = useState<RouteSpec[]>(start.routes)

  const patch = useMemo<ComponentPatch | undefined>(() => {
    const change: ComponentPatch = {}
    if (instances !== start.instances) change.instances = instances
    if (cpu !== start.cpu || memory !== start.memory)
      change.resources = { cpu_limit: cpu || null, memory_limit: memory || null }
    if (!same(probes, start.probes)) change.probes = toSpec(probes, spec.probes)
    if (!same(routes, start.routes)) change.routes = routes.map(cleanRoute)
    return Object.keys(change).length ? change : undefined
  }, [instances, cpu, memory, probes, routes, start, spec.probes])
  const change = useChange(patch, () => {
    setInstances(start.instances)
    setCpu(start.cpu)
    setMemory(start.memory)
    setProbes(start.probes)
    setRoutes(start.routes)
  })
  const ends = comesToAnEnd(component)
  const httpPorts = component.ports.filter((port) => port.protocol.startsWith('http'))
  return (
    <>
      <div className="min-h-0 flex-1 md:overflow-auto">
        <Page width="max-w-[1000px]">
          {!may && <Denied permission="application:configure" />}
          <fieldset disabled={!may} className="min-w-0 space-y-4">
            <div className="grid gap-4 md:grid-cols-2">
              <Card title={t('settings.instances')} hint={ends ? undefined : t('settings.instancesHint')}>
                {ends ? (
                  <p className="text-sm text-fg-2">{t('settings.runsOnly')}</p>
                ) : spec.scale ? (
                  <p className="text-sm text-fg-2">{t('scaling.hand')}</p>
                ) : (
                  <Field label={t('settings.wanted')}>
                    {(control) => (
                      <div className="flex items-center gap-1.5">
                        <Button
                          square
                          aria-label={t('settings.fewer')}
                          disabled={instances <= 1}
                          onClick={() => setInstances(instances - 1)}
                        >
                          <Minus size={14} aria-hidden />
                        </Button>
                        <Input
                          {...control}
                          inputMode="numeric"
                          value={instances}
                          onChange={(event) => {
                            const n = Number(event.target.value.replace(/\D/g, ''))
                            setInstances(Math.min(100, Math.max(0, n)))
                          }}
                          className="num !w-16 text-center"
                        />
                        <Button
                          square
                          aria-label={t('settings.moreOf')}
                          onClick={() => setInstances(instances + 1)}
                        >
                          <Plus size={14} aria-hidden />
                        </Button>
                      </div>
                    )}
                  </Field>
                )}
                {component.strategy === 'stop-then-start' && (
                  <p className="mt-2 text-xs text-fg-3">{t('settings.exclusive')}</p>
                )}
                {component.strategy === 'ordered' && (
                  <p className="mt-2 text-xs text-fg-3">{t('settings.ordered')}</p>
                )}
              </Card>
              <Card title={t('settings.limits')} hint={t('settings.limitsHint')}>
                <div className="grid grid-cols-2 gap-3">
                  <Field label={t('settings.cpu')} hint={t('settings.cpuHint')}>
                    {(control) => (
                      <Input
                        {...control}
                        mono
                        placeholder="1"
                        value={cpu}
                        onChange={(event) => setCpu(event.target.value.trim())}
                      />
                    )}
                  </Field>
                  <Field label={t('settings.memory')} hint={t('settings.memoryHint')}>
                    {(control) => (
                      <Input
                        {...control}
                        mono
                        placeholder="512Mi"
                        value={memory}
                        onChange={(event) => setMemory(event.target.value.trim())}
                      />
                    )}
                  </Field>
                </div>
              </Card>
            </div>
            <ProbesEditor probes={probes} onChange={setProbes} ports={component.ports} />
            {!ends && <RoutesEditor routes={routes} onChange={setRoutes} ports={httpPorts} />}
            {(component.kind === 'service' || component.kind === 'stateful') && (
              <ScalingCard app={app} component={component} />
            )}
          </fieldset>
          <PowerCard app={app} />
          <DeleteCard app={app} />
        </Page>
      </div>
      {change.bar}
      {change.dialog}
    </>
  )
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

const cleanRoute = (route: RouteSpec): RouteSpec => ({
  ...(route.host ? { host: route.host } : {}),
  ...(route.path && route.path !== '/' ? { path: route.path } : {}),
  ...(route.exact ? { exact: true } : {}),
  ...(route.port ? { port: route.port } : {}),
})

function PowerCard({ app }: { app: ApplicationDetail }) {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('application:operate')
  const [busy, setBusy] = useState(false)
  const run = (what: 'restart' | 'stop' | 'start') => {
    setBusy(true)
    act(place, app.name, what)
      .then(
        () => toast('ok', t(`app.asked.${what}`, { app: app.name })),
        (thrown: unknown) => toast('bad', Problem.of(thrown).title, Problem.of(thrown).remedy),
      )
      .finally(() => setBusy(false))
  }
  const off = app.power === 'off'
  return (
    <Card title={t('settings.power')} hint={off ? t('settings.powerOff') : t('settings.powerOn')}>
      <div className="flex flex-wrap items-center gap-2">
        {off ? (
          <Button onClick={() => run('start')} disabled={!may || busy}>
            <Play size={13} aria-hidden />
            {t('app.start')}
          </Button>
        ) : (
          <>
            <Button onClick={() => run('restart')} disabled={!may || busy}>
              <RotateCcw size={13} aria-hidden />
              {t('app.restart')}
            </Button>
            <Button onClick={() => run('stop')} disabled={!may || busy}>
              <Square size={13} aria-hidden />
              {t('app.stop')}
            </Button>
          </>
        )}
        <p className="min-w-0 text-xs text-fg-3">{off ? t('settings.startText') : t('settings.stopText')}</p>
      </div>
    </Card>
  )
}

/** What goes, what stays, and the name typed by hand. */
function DeleteCard({ app }: { app: ApplicationDetail }) {
  const { t, list, bytes } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const may = useMay('application:delete')
  const [open, setOpen] = useState(false)
  const instances = app.components.reduce((sum, one) => sum + one.instances.length, 0)
  const routes = app.components.reduce((sum, one) => sum + one.routes.length, 0)
  const volumes = app.volumes.map((volume) => {
    const size = volume.bytes != null ? bytes(volume.bytes) : undefined
    return size ? `${volume.name} (${size.value} ${size.unit})` : volume.name
  })
  return (
    <Card title={t('delete.title')} hint={t('delete.hint')}>
      <Button variant="danger" onClick={() => setOpen(true)} disabled={!may}>
        <Trash2 size={13} aria-hidden />
        {t('delete.open', { app: app.name })}
      </Button>
      <ConfirmByName
        open={open}
        onClose={() => setOpen(false)}
        name={app.name}
        title={t('delete.question', { app: app.name })}
        action={t('delete.do')}
        onConfirm={async () => {
          const operation = await deleteApplication(place, app.name)
          setOpen(false)
          await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
        }}
      >
        <p>
          <b className="font-semibold text-fg">{t('delete.goes')}</b>{' '}
          {t('delete.goesWhat', { instances, routes })}
        </p>
        <p className="mt-1.5">
          <b className="font-semibold text-fg">{t('delete.stays')}</b>{' '}
          {volumes.length ? t('delete.staysVolumes', { volumes: list(volumes) }) : t('delete.staysNothing')}
        </p>
      </ConfirmByName>
    </Card>
  )
}
