/** The application component by component, every field of each; what changed is previewed as a whole before it is made. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useState } from 'react'
import { useMay, useSecrets, useSpec } from '../../api/queries'
import type { Spec, SpecDocument } from '../../api/types'
import { useI18n } from '../../i18n'
import { useKeys } from '../../shell/keys'
import { usePlace } from '../../shell/place'
import { useSpecChange } from '../../spec/change'
import { SpecEditor } from '../../spec/editor'
import { same } from '../../spec/merge'
import { Button, Input, Kbd } from '../../ui/controls'
import { Denied, LoadingRows, ProblemPanel } from '../../ui/panels'
import { useApp } from './context'

export default function Components() {
  const { app } = useApp()
  const spec = useSpec(app.name)
  if (!spec.data)
    return (
      <div className="p-5">
        {spec.problem ? (
          <ProblemPanel problem={spec.problem} onRetry={spec.refresh} />
        ) : (
          <div className="card">
            <LoadingRows />
          </div>
        )}
      </div>
    )
  return <Editing key={app.name} app={app.name} document={spec.data} etag={spec.etag} />
}

function Editing({ app, document, etag }: { app: string; document: SpecDocument; etag: string | undefined }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const search = useSearch({ strict: false }) as { component?: string; add?: boolean }
  const may = useMay('application:configure')
  const kept = useSecrets(app)
  // What it began with stays what it is compared to, whatever others do meanwhile.
  const [start, setStart] = useState({ base: document.spec, etag })
  const [spec, setSpec] = useState<Spec>(document.spec)
  const [wrong, setWrong] = useState(false)
  const [adding, setAdding] = useState(search.add === true && may)
  const [values, setValues] = useState<Record<string, string>>({})
  const dirty = !same(spec, start.base)
  useEffect(() => {
    // Nothing typed: what is there now is shown.
    if (!dirty && !same(document.spec, start.base)) {
      setStart({ base: document.spec, etag })
      setSpec(document.spec)
    } else if (!dirty && etag !== start.etag) setStart({ base: document.spec, etag })
  }, [document, etag, dirty, start])
  const change = useSpecChange(app, (operation) => {
    setStart({ base: spec, etag: undefined })
    void navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
  })
  /** Secrets that are declared, not made, and have no value yet. */
  const missing = useMemo(() => {
    const has = new Set((kept.data?.items ?? []).map((one) => one.name))
    return Object.entries(spec.secrets ?? {})
      .filter(([name, rule]) => !rule?.generate && !has.has(name))
      .map(([name]) => name)
  }, [kept.data, spec.secrets])
  const review = () => {
    if (!dirty || wrong || missing.some((name) => !values[name])) return
    const given = Object.fromEntries(missing.map((name) => [name, values[name] ?? '']))
    void change.ask(start, spec, t('components.review', { app }), given)
  }
  useKeys({ 'ctrl+s': review })
  const pick = useCallback(
    (component: string) =>
      void navigate({
        to: '.',
        search: { component: component.startsWith('@') ? '@shared' : component },
        replace: true,
      }),
    [navigate],
  )
  return (
    <>
      <div className="flex min-h-0 flex-1 flex-col md:overflow-auto">
        {!may && (
          <div className="px-4 pt-3">
            <Denied permission="application:configure" />
          </div>
        )}
        <fieldset disabled={!may} className="flex min-h-0 min-w-0 flex-1 flex-col">
          <SpecEditor
            spec={spec}
            onChange={setSpec}
            onProblems={setWrong}
            picked={search.component}
            onPick={pick}
            adding={adding}
            onAdding={setAdding}
          />
        </fieldset>
      </div>
      {dirty && (
        <div className="sticky bottom-0 z-10 flex flex-wrap items-center gap-2 border-t bg-sunken px-4 py-3">
          <span className="text-xs text-fg-2">{wrong ? t('components.wrong') : t('change.pending')}</span>
          {missing.map((name) => (
            <label key={name} htmlFor={`secret-${name}`} className="flex items-center gap-1.5 text-xs">
              <span className="mono">{name}</span>
              <Input
                id={`secret-${name}`}
                type="password"
                autoComplete="off"
                value={values[name] ?? ''}
                onChange={(event) => setValues({ ...values, [name]: event.target.value })}
                className="!w-40"
              />
            </label>
          ))}
          <Button size="sm" variant="ghost" className="ml-auto" onClick={() => setSpec(start.base)}>
            {t('change.discard')}
          </Button>
          <Button
            size="sm"
            variant="primary"
            onClick={review}
            disabled={change.busy || wrong || missing.some((name) => !values[name])}
          >
            {t('change.review')}
            <Kbd on>Ctrl S</Kbd>
          </Button>
        </div>
      )}
      {change.dialog}
    </>
  )
}
