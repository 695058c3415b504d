/** What a plan needs of a person: values, a yes to what is left out, permissions. */
import { Ban, Check, Lock, ShieldAlert } from 'lucide-react'
import { type FormEvent, useId, useState } from 'react'
import type { PlanReport, ProblemFix } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input } from '../ui/controls'
import { cx } from '../ui/cx'
import { Denied } from '../ui/panels'

type Variable = ProblemFix & { fix: 'set-variable' }
const isVariable = (fix: ProblemFix): fix is Variable => fix.fix === 'set-variable'

interface Asked {
  name: string
  message?: string | null
  /** Without a value nothing is put where the source names it. */
  optional?: boolean
}

/** Variables of the source that have no value, those that it requires first, and those that were given one: each once. */
export function variablesOf(plan: PlanReport, given: Record<string, string>): Asked[] {
  const required: Asked[] = plan.errors.flatMap((error) => (error.fixes ?? []).filter(isVariable))
  // Those that became settings are asked for there.
  const settings = (plan.spec.settings ?? {}) as Record<string, Setting>
  const open = [...(plan.unset ?? []), ...Object.keys(given).filter((name) => !(name in settings))]
  const all = [...required, ...open.map((name) => ({ name, optional: true }))]
  return all.filter((one, index) => all.findIndex((other) => other.name === one.name) === index)
}

const isHidden = (name: string) => /pass|secret|token|key/i.test(name)

export function VariablesForm({
  asked,
  given,
  busy,
  onGive,
}: {
  asked: Asked[]
  given: Record<string, string>
  busy: boolean
  onGive: (values: Record<string, string>) => void
}) {
  const { t } = useI18n()
  const [values, setValues] = useState(given)
  const submit = (event: FormEvent) => {
    event.preventDefault()
    onGive(Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '')))
  }
  const field = ({ name, message }: Asked) => (
    <Field key={name} label={<span className="mono">{name}</span>} hint={message ?? undefined}>
      {(control) => (
        <Input
          {...control}
          type={isHidden(name) ? 'password' : 'text'}
          autoComplete="off"
          value={values[name] ?? ''}
          onChange={(event) => setValues({ ...values, [name]: event.target.value })}
        />
      )}
    </Field>
  )
  const required = asked.filter(({ optional }) => !optional)
  const optional = asked.filter(({ optional }) => optional)
  const isSame = asked.every(({ name }) => (values[name] ?? '') === (given[name] ?? ''))
  return (
    <form
      onSubmit={submit}
      className={cx(
        'space-y-2 rounded-lg border p-3',
        required.length > 0 && 'border-accent-line bg-accent-soft/40',
      )}
    >
      {required.length > 0 && <h3 className="text-xs font-semibold">{t('needs.variables')}</h3>}
      {required.map(field)}
      {optional.length > 0 && (
        <details open={optional.some(({ name }) => given[name])}>
          <summary className="touch cursor-pointer text-xs font-semibold">
            {t('needs.unset', { n: optional.length })}
          </summary>
          <p className="mt-1 text-xs text-fg-3">{t('needs.unsetNote')}</p>
          <div className="mt-2 space-y-2">{optional.map(field)}</div>
        </details>
      )}
      <Button
        type="submit"
        variant={required.length > 0 ? 'primary' : undefined}
        disabled={busy || isSame || required.some(({ name }) => !values[name])}
      >
        {t('needs.again')}
      </Button>
    </form>
  )
}

interface Setting {
  default?: string
  required?: boolean
  message?: string
}
export const settingsOf = (plan: PlanReport) =>
  Object.entries((plan.spec.settings ?? {}) as Record<string, Setting>)
/** What somebody must say before it can run. */
export const settingsMissing = (plan: PlanReport, given: Record<string, string>) =>
  settingsOf(plan).some(([name, one]) => one.required && !(given[name] ?? one.default))

export function Settings({
  plan,
  given,
  onGive,
}: {
  plan: PlanReport
  given: Record<string, string>
  onGive: (name: string, value: string) => void
}) {
  const { t } = useI18n()
  const all = settingsOf(plan)
  if (all.length === 0) return null
  return (
    <div className="space-y-2">
      <h3 className="eyebrow">{t('field.settings')}</h3>
      {all.map(([name, one]) => (
        <Field
          key={name}
          label={<span className="mono">{name}</span>}
          hint={one.message}
          error={one.required && !(given[name] ?? one.default) ? t('needs.required') : undefined}
        >
          {(control) => (
            <Input
              {...control}
              value={given[name] ?? one.default ?? ''}
              onChange={(event) => onGive(name, event.target.value)}
            />
          )}
        </Field>
      ))}
    </div>
  )
}

/** The plan with the settings that were typed. */
export function withSettings(spec: PlanReport['spec'], given: Record<string, string>): PlanReport['spec'] {
  const settings = spec.settings as Record<string, Setting> | undefined
  if (!settings) return spec
  const next = Object.entries(settings).map(([name, one]) => [
    name,
    given[name] === undefined ? one : { ...one, default: given[name] },
  ])
  return { ...spec, settings: Object.fromEntries(next) }
}

export const refusedOf = (plan: PlanReport) => plan.report.filter((row) => row.outcome === 'refused')

/** What cannot be kept is left out only when somebody says so. */
export function AcceptRefused({
  plan,
  accepted,
  onAccept,
}: {
  plan: PlanReport
  accepted: boolean
  onAccept: (on: boolean) => void
}) {
  const { t } = useI18n()
  const id = useId()
  const refused = refusedOf(plan)
  if (refused.length === 0) return null
  return (
    <div className="rounded-lg bg-bad-soft p-3 text-xs">
      <h3 className="flex items-center gap-1.5 font-semibold text-bad">
        <Ban size={13} aria-hidden />
        {t('needs.refused', { n: refused.length })}
      </h3>
      <ul className="mt-1.5 space-y-1">
        {refused.map((row) => (
          <li key={`${row.at}-${row.message}`} className="mono break-all text-fg">
            {row.at}
          </li>
        ))}
      </ul>
      <label htmlFor={id} className="touch mt-2 flex items-center gap-2 font-medium text-fg">
        <input
          id={id}
          type="checkbox"
          checked={accepted}
          onChange={(event) => onAccept(event.target.checked)}
          className="h-4 w-4 accent-(--color-accent)"
        />
        {t('needs.accept')}
      </label>
    </div>
  )
}

/** What weakens the walls around the containers, and whether this person may ask for it. */
export function Reach({ plan }: { plan: PlanReport }) {
  const { t } = useI18n()
  const needed = plan.permissions ?? []
  const lacking = needed.find((one) => !one.held)
  if (needed.length === 0) return null
  return (
    <div className="space-y-2">
      <h3 className="eyebrow flex items-center gap-1">
        <ShieldAlert size={12} aria-hidden className="text-warn" />
        {t('needs.reach')}
      </h3>
      <ul className="space-y-1 text-xs">
        {needed.map((one) => (
          <li key={one.path} className="flex flex-wrap items-center gap-x-2">
            <span className="mono min-w-0 break-all">{one.path}</span>
            <span className="ml-auto inline-flex items-center gap-1 whitespace-nowrap text-fg-2">
              {one.held ? (
                <Check size={12} aria-hidden className="text-ok" />
              ) : (
                <Lock size={12} aria-hidden className="text-bad" />
              )}
              {t(one.held ? 'needs.held' : 'needs.lacking', { permission: one.permission })}
            </span>
          </li>
        ))}
      </ul>
      {lacking && <Denied permission={lacking.permission} />}
    </div>
  )
}
