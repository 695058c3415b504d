/** Who talks to whom in the application, live; dependencies are edited here too, each change previewed first. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { Plus } from 'lucide-react'
import { useMemo, useState } from 'react'
import { useMay, useSpec, useTopology } from '../../api/queries'
import type { ComponentSpec, Spec } from '../../api/types'
import { useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { useSpecChange } from '../../spec/change'
import { put } from '../../spec/merge'
import { NothingThere, TopologyView } from '../../topology/view'
import { Button, ButtonLink, Field, Input, Select } from '../../ui/controls'
import { Dialog } from '../../ui/dialog'
import { toast } from '../../ui/toast'
import { useApp } from './context'

type Used = NonNullable<ComponentSpec['uses']>[number]
const usedName = (used: Used) => (typeof used === 'string' ? used : used.component)

export default function AppTopology() {
  const { app } = useApp()
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const { window = 60 } = useSearch({ strict: false }) as { window?: number }
  const graph = useTopology(app.name, window)
  const spec = useSpec(app.name)
  const may = useMay('application:configure')
  const [from, setFrom] = useState<string>()
  const change = useSpecChange(app.name, (operation) => {
    toast('ok', t('topology.changed'), operation.title)
    graph.refresh()
  })
  const current = spec.data?.spec
  const edit = (component: string, title: string, uses: (old: Used[]) => Used[]) => {
    const own = current?.components[component]
    if (!current || !own) return
    const next = uses(own.uses ?? [])
    const changed: Spec = put(current, ['components', component, 'uses'], next.length ? next : undefined)
    void change.ask({ base: current, etag: spec.etag }, changed, title)
  }
  const add = (one: string, other: string, prefix?: string) =>
    edit(one, t('topology.addTitle', { from: one, to: other }), (old) => [
      ...old.filter((used) => usedName(used) !== other),
      prefix ? { component: other, as: prefix } : other,
    ])
  const remove = (one: string, other: string) =>
    edit(one, t('topology.removeTitle', { from: one, to: other }), (old) =>
      old.filter((used) => usedName(used) !== other),
    )
  const others = useMemo(() => {
    const own = from ? current?.components[from] : undefined
    const used = new Set((own?.uses ?? []).map(usedName))
    return Object.keys(current?.components ?? {}).filter((name) => name !== from && !used.has(name))
  }, [current, from])
  const edits = may && current !== undefined
  return (
    <>
      <TopologyView
        graph={graph}
        app={app.name}
        label={t('topology.of', { name: app.name })}
        window={window}
        onWindow={(seconds) =>
          void navigate({ to: '.', search: { window: seconds === 60 ? undefined : seconds }, replace: true })
        }
        onConnect={edits ? add : undefined}
        onAsk={edits ? setFrom : undefined}
        onRemove={edits ? remove : undefined}
        empty={
          <NothingThere title={t('topology.empty')} text={t('topology.emptyText')}>
            <ButtonLink
              variant="primary"
              to="/t/$team/e/$env/apps/$app/components"
              params={{ ...place, app: app.name }}
            >
              {t('components.add')}
            </ButtonLink>
          </NothingThere>
        }
        tools={
          edits && (
            <ButtonLink
              to="/t/$team/e/$env/apps/$app/components"
              params={{ ...place, app: app.name }}
              search={{ add: true }}
              className="md:ml-auto"
            >
              <Plus size={14} aria-hidden />
              {t('components.add')}
            </ButtonLink>
          )
        }
      />
      <UseDialog
        from={from}
        others={others}
        onClose={() => setFrom(undefined)}
        onChoose={(to, prefix) => {
          const one = from
          setFrom(undefined)
          if (one) add(one, to, prefix)
        }}
      />
      {change.dialog}
    </>
  )
}

/** What dragging does, by key and by choice. */
function UseDialog({
  from,
  others,
  onClose,
  onChoose,
}: {
  from: string | undefined
  others: string[]
  onClose: () => void
  onChoose: (to: string, prefix: string | undefined) => void
}) {
  const { t } = useI18n()
  const [to, setTo] = useState('')
  const [prefix, setPrefix] = useState('')
  const chosen = others.includes(to) ? to : (others[0] ?? '')
  return (
    <Dialog open={from !== undefined} onClose={onClose} title={t('topology.useTitle', { name: from ?? '' })}>
      {others.length === 0 ? (
        <p className="text-sm text-fg-2">{t('topology.useNone')}</p>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            event.preventDefault()
            onChoose(chosen, prefix.trim() || undefined)
            setPrefix('')
          }}
        >
          <p className="text-sm text-fg-2">{t('topology.useText')}</p>
          <Field label={t('topology.useWhom')}>
            {(control) => (
              <Select
                {...control}
                value={chosen}
                onChange={(event) => setTo(event.target.value)}
                className="w-full"
              >
                {others.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </Select>
            )}
          </Field>
          <Field label={t('topology.usePrefix')} hint={t('topology.usePrefixHint')}>
            {(control) => (
              <Input
                {...control}
                mono
                value={prefix}
                onChange={(event) => setPrefix(event.target.value.toUpperCase())}
                placeholder="DB"
              />
            )}
          </Field>
          <Button type="submit" variant="primary">
            {t('change.review')}
          </Button>
        </form>
      )}
    </Dialog>
  )
}
