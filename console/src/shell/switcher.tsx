/** Where this is, and the way to another environment of the team: switch, make, delete an empty one. */
import { Menu } from '@base-ui/react/menu'
import { useNavigate } from '@tanstack/react-router'
import { Check, ChevronsUpDown, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { useClusters } from '../api/clusters'
import { createEnvironment, deleteEnvironment, useEnvironments } from '../api/environments'
import { Problem } from '../api/problem'
import { useMay } from '../api/queries'
import type { NamespaceLeft } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input, Mark, Select } from '../ui/controls'
import { ConfirmByName, Dialog } from '../ui/dialog'
import { ProblemLine } from '../ui/panels'
import { toast } from '../ui/toast'
import { usePlace } from './place'

const item =
  'touch flex min-h-8 cursor-default items-center gap-2 rounded-md px-2 text-sm outline-none data-[highlighted]:bg-hover'

export function PlaceSwitcher({ size }: { size: 26 | 28 }) {
  const { t, list } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const environments = useEnvironments()
  const mayManage = useMay('team:manage')
  const [making, setMaking] = useState(false)
  const [going, setGoing] = useState<string>()
  const all = environments.data?.items ?? []
  const here = all.find((one) => one.name === place.env)
  // Where all is on the engine, nothing needs to be said of it.
  const several = new Set(all.map((one) => one.cluster)).size > 1
  const go = (env: string) => void navigate({ to: '/t/$team/e/$env', params: { team: place.team, env } })
  const stays = ({ cluster, name: namespace, holds, problem }: NamespaceLeft) => {
    if (problem) return t('place.goesLater', { namespace, cluster, why: problem.cause })
    if (holds.length === 0) return t('place.goes', { namespace, cluster })
    return t('place.stays', { namespace, cluster, holds: list(holds) })
  }
  return (
    <>
      <Menu.Root>
        <Menu.Trigger className="touch flex min-w-0 flex-1 items-center gap-2.5 rounded-md px-2 py-1.5 text-left hover:bg-hover">
          <Mark size={size} />
          <span className="min-w-0 flex-1">
            <b className="block truncate text-sm font-semibold leading-4">{place.team}</b>
            <span className="block truncate text-xs text-fg-3">
              {place.env}
              {several && here && ` ${t('place.on', { cluster: here.cluster })}`}
            </span>
          </span>
          <ChevronsUpDown size={14} aria-hidden className="shrink-0 text-fg-3" />
          <span className="sr-only">{t('place.switch')}</span>
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Positioner side="bottom" align="start" sideOffset={6} className="z-40">
            <Menu.Popup className="w-64 rounded-xl border border-line-2 bg-raised p-1.5 shadow-2 outline-none">
              <Menu.RadioGroup value={place.env} onValueChange={(next) => go(next as string)}>
                <Menu.GroupLabel className="eyebrow px-2 py-1">{t('place.switch')}</Menu.GroupLabel>
                {all.map((one) => (
                  <Menu.RadioItem key={one.name} value={one.name} className={item}>
                    <span className="min-w-0 flex-1">
                      <span className="block truncate">{one.name}</span>
                      {several && (
                        <span className="block truncate text-xs text-fg-3">
                          {t('place.on', { cluster: one.cluster })}
                        </span>
                      )}
                    </span>
                    <span className="text-xs text-fg-3">
                      {t('place.applications', { n: one.applications })}
                    </span>
                    <span className="w-4">
                      <Menu.RadioItemIndicator>
                        <Check size={14} aria-hidden className="text-accent-fg" />
                      </Menu.RadioItemIndicator>
                    </span>
                  </Menu.RadioItem>
                ))}
              </Menu.RadioGroup>
              {mayManage && (
                <>
                  <Menu.Separator className="my-1.5 border-t" />
                  <Menu.Item className={item} onClick={() => setMaking(true)}>
                    <Plus size={14} aria-hidden className="text-fg-3" />
                    {t('place.new')}
                  </Menu.Item>
                  {here && !here.first && here.applications === 0 && (
                    <Menu.Item className={item} onClick={() => setGoing(here.name)}>
                      <Trash2 size={14} aria-hidden className="text-fg-3" />
                      {t('place.delete', { name: here.name })}
                    </Menu.Item>
                  )}
                </>
              )}
            </Menu.Popup>
          </Menu.Positioner>
        </Menu.Portal>
      </Menu.Root>
      <NewEnvironment
        open={making}
        onClose={() => setMaking(false)}
        onMade={(name) => {
          setMaking(false)
          go(name)
        }}
      />
      <ConfirmByName
        open={going !== undefined}
        onClose={() => setGoing(undefined)}
        name={going ?? ''}
        title={t('place.deleteTitle', { name: going ?? '' })}
        action={t('place.deleteAction')}
        onConfirm={async () => {
          if (!going) return
          const { left } = await deleteEnvironment(place.team, going)
          setGoing(undefined)
          toast('ok', t('place.deleted', { name: going }), left && stays(left))
          const first = all.find((one) => one.first)
          if (first) go(first.name)
        }}
      >
        {t('place.deleteText')}
      </ConfirmByName>
    </>
  )
}

function NewEnvironment({
  open,
  onClose,
  onMade,
}: {
  open: boolean
  onClose: () => void
  onMade: (name: string) => void
}) {
  const { t } = useI18n()
  const place = usePlace()
  const clusters = useClusters()
  const [name, setName] = useState('')
  const [cluster, setCluster] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const added = (clusters.data?.items ?? []).filter(
    (one) => one.kind === 'kubernetes' && one.state !== 'leaving',
  )
  const make = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const made = await createEnvironment(place.team, name, cluster || undefined)
      setName('')
      onMade(made.name)
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('place.newTitle')}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (name && !busy) void make()
        }}
      >
        <p className="text-sm text-fg-2">{t('place.newText')}</p>
        <Field label={t('place.name')} hint={t('place.nameHint')} className="mt-3">
          {(control) => (
            <Input
              {...control}
              value={name}
              autoComplete="off"
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        {added.length > 0 && (
          <Field label={t('place.cluster')} hint={t('place.clusterHint')} className="mt-3">
            {(control) => (
              <Select
                {...control}
                className="w-full"
                value={cluster}
                onChange={(event) => setCluster(event.target.value)}
              >
                <option value="">{t('cluster.engine')}</option>
                {added.map((one) => (
                  <option key={one.name} value={one.name}>
                    {one.state === 'away' ? `${one.name} · ${t('cluster.state.away')}` : one.name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        )}
        {problem && (
          <div className="mt-3">
            <ProblemLine problem={problem} />
          </div>
        )}
        <div className="mt-4">
          <Button type="submit" variant="primary" disabled={busy || !name}>
            {t('place.create')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
