/** Forms from shapes. Nothing is kept here but what is being typed: the value is the specification's. */
import { ChevronRight, Plus, Trash2 } from 'lucide-react'
import { createContext, type ReactNode, useContext, useEffect, useId, useState } from 'react'
import { useI18n } from '../i18n'
import { Button, Input, Field as Labelled, Select, Switch, TextArea } from '../ui/controls'
import { Command, Json, Lines, textOf, useDraft } from './drafts'
import { type Field, fits, labelOf, type Section, type Shape } from './shape'

type Value = unknown
type Map_ = Record<string, Value>
const mapOf = (value: Value): Map_ =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Map_) : {}
const filled = (value: Value) => value !== undefined && value !== null && value !== ''

/** Problems by the path of keys, so that they stand at their fields. */
const Problems = createContext<Map<string, string>>(new Map())
export const ProblemsAt = Problems.Provider
/** Names that a field may take, by its key: components for `uses`, groups, volumes. Of pairs, `field` has the names and
 * `field.NAME` the values of one. */
const Names = createContext<Record<string, string[]>>({})
export const NamesOf = Names.Provider

export function SectionForm({
  section,
  value,
  kind,
  at,
  onChange,
}: {
  section: Section
  value: Map_
  kind?: string
  at: string
  onChange: (value: Map_) => void
}) {
  const { t } = useI18n()
  const fields = section.fields.filter((field) => kind === undefined || fits(field, kind, value[field.key]))
  const used = fields.some((field) => filled(value[field.key]))
  const problems = useContext(Problems)
  const wrong = fields.some((field) =>
    [...problems.keys()].some((path) => path.startsWith(`${at}.${field.key}`)),
  )
  const [open, setOpen] = useState(used || section.id === 'what' || section.id === 'app')
  useEffect(() => {
    if (wrong) setOpen(true)
  }, [wrong])
  const id = useId()
  if (fields.length === 0) return null
  return (
    <section className="card">
      <h3>
        <button
          type="button"
          aria-expanded={open}
          aria-controls={id}
          onClick={() => setOpen(!open)}
          className="touch flex min-h-11 w-full items-center gap-2 px-4 text-left text-sm font-semibold"
        >
          <ChevronRight size={14} aria-hidden className={open ? 'rotate-90 text-fg-3' : 'text-fg-3'} />
          {t(`section.${section.id}` as 'section.what')}
          {!open && used && (
            <span className="min-w-0 truncate text-xs font-normal text-fg-3">
              {fields
                .filter((field) => filled(value[field.key]))
                .map((field) => t(labelOf(field.key)))
                .join(', ')}
            </span>
          )}
        </button>
      </h3>
      <div id={id} hidden={!open} className="px-4 pb-4">
        {open && <Fields fields={fields} value={value} at={at} onChange={onChange} />}
      </div>
    </section>
  )
}

const wide = (shape: Shape) =>
  ['pairs', 'map', 'rows', 'group', 'json'].includes(shape.t) || (shape.t === 'text' && shape.many)

function Fields({
  fields,
  value,
  at,
  onChange,
}: {
  fields: readonly Field[]
  value: Map_
  at: string
  onChange: (value: Map_) => void
}) {
  const set = (key: string, next: Value) => {
    const copy = { ...value }
    if (next === undefined) delete copy[key]
    else copy[key] = next
    onChange(copy)
  }
  return (
    <div className="grid gap-3 sm:grid-cols-2">
      {fields.map((field) => (
        <div key={field.key} className={wide(field.shape) ? 'min-w-0 sm:col-span-2' : 'min-w-0'}>
          <One
            field={field}
            value={value[field.key]}
            at={`${at}.${field.key}`}
            onChange={(next) => set(field.key, next)}
          />
        </div>
      ))}
    </div>
  )
}

function One({
  field,
  value,
  at,
  onChange,
}: {
  field: Field
  value: Value
  at: string
  onChange: (value: Value) => void
}) {
  const { t, known } = useI18n()
  const problems = useContext(Problems)
  const names = useContext(Names)[field.key]
  const listId = useId()
  const label = t(labelOf(field.key))
  const hint = known(`field.hint.${field.key}`)
  const error = problems.get(at)
  const { shape } = field
  const plain = (render: (control: { id: string }) => ReactNode) => (
    <Labelled label={label} hint={hint} error={error}>
      {render}
    </Labelled>
  )
  switch (shape.t) {
    case 'text':
      return plain((control) =>
        shape.many ? (
          <TextArea
            {...control}
            mono
            rows={6}
            value={textOf(value)}
            onChange={(event) => onChange(event.target.value)}
          />
        ) : (
          <>
            <Input
              {...control}
              mono={field.key !== 'displayName' && field.key !== 'message'}
              list={names ? listId : undefined}
              placeholder={shape.example}
              value={textOf(value)}
              onChange={(event) => onChange(event.target.value === '' ? undefined : event.target.value)}
            />
            {names && <Offered id={listId} names={names} />}
          </>
        ),
      )
    case 'number':
      return plain((control) => (
        <Input
          {...control}
          inputMode="numeric"
          placeholder={shape.example}
          value={textOf(value)}
          onChange={(event) => {
            const digits = event.target.value.replace(/\D/g, '')
            onChange(digits === '' ? undefined : Number(digits))
          }}
          className="num"
        />
      ))
    case 'flag':
      return (
        <div className="sm:pt-5">
          <Switch
            checked={value === true}
            onChange={(on) => onChange(on || undefined)}
            label={label}
            hint={hint}
          />
        </div>
      )
    case 'choice':
      return plain((control) => (
        <Select
          {...control}
          value={textOf(value) || (shape.of[0] ?? '')}
          onChange={(event) => onChange(event.target.value === shape.of[0] ? undefined : event.target.value)}
          className="w-full"
        >
          {[...shape.of, ...(typeof value === 'string' && !shape.of.includes(value) ? [value] : [])].map(
            (one) => (
              <option key={one} value={one}>
                {known(field.key === 'kind' ? `topology.kind.${one}` : `choice.${one}`) ?? one}
              </option>
            ),
          )}
        </Select>
      ))
    case 'command':
      return plain((control) => <Command control={control} value={value} onChange={onChange} />)
    case 'list':
      return plain((control) => <Lines control={control} value={value} shape={shape} onChange={onChange} />)
    case 'json':
      return plain((control) => <Json control={control} value={value} onChange={onChange} />)
    case 'group': {
      const own =
        shape.short && filled(value) && typeof value !== 'object' ? { [shape.short]: value } : mapOf(value)
      return (
        <Boxed label={label} hint={hint} error={error} open={filled(value)}>
          <Fields
            fields={shape.fields}
            value={own}
            at={at}
            onChange={(next) => onChange(Object.keys(next).length ? short(next, shape.short) : undefined)}
          />
        </Boxed>
      )
    }
    case 'pairs':
      return (
        <Pairs
          label={label}
          hint={hint}
          field={field.key}
          name={shape.name}
          value={mapOf(value)}
          at={at}
          onChange={onChange}
        />
      )
    case 'map':
      return (
        <Named label={label} hint={hint} shape={shape} value={mapOf(value)} at={at} onChange={onChange} />
      )
    case 'rows':
      return <Rows label={label} hint={hint} shape={shape} value={value} at={at} onChange={onChange} />
  }
}

const short = (value: Map_, key: string | undefined): Value =>
  key && Object.keys(value).length === 1 && value[key] !== undefined ? value[key] : value

/** A group that is folded while nothing is in it. */
function Boxed({
  label,
  hint,
  error,
  open: first,
  children,
}: {
  label: string
  hint?: string
  error?: string
  open: boolean
  children: ReactNode
}) {
  const [open, setOpen] = useState(first)
  const id = useId()
  return (
    <div className="rounded-lg border">
      <button
        type="button"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => setOpen(!open)}
        className="touch flex min-h-8 w-full items-center gap-1.5 px-3 text-left text-xs font-medium"
      >
        <ChevronRight size={12} aria-hidden className={open ? 'rotate-90 text-fg-3' : 'text-fg-3'} />
        {label}
        {hint && <span className="min-w-0 truncate font-normal text-fg-3">{hint}</span>}
      </button>
      <div id={id} hidden={!open} className="px-3 pb-3">
        {error && <p className="mb-2 text-xs text-bad">{error}</p>}
        {open && children}
      </div>
    </div>
  )
}

/** The name of a row, which is put in place when the field is left: half a name may be another row's. */
function NameInput({
  name,
  taken,
  label,
  known,
  onName,
}: {
  name: string
  taken: string[]
  label: string
  /** Names that are offered. */
  known?: string[]
  onName: (name: string) => void
}) {
  const listId = useId()
  const draft = useDraft(name, (text) => {
    const next = text.trim()
    if (next && !taken.includes(next)) onName(next)
  })
  return (
    <>
      <Input mono aria-label={label} list={known ? listId : undefined} {...draft} />
      {known && <Offered id={listId} names={known.filter((one) => !taken.includes(one))} />}
    </>
  )
}

function Offered({ id, names }: { id: string; names: string[] }) {
  return (
    <datalist id={id}>
      {names.map((name) => (
        <option key={name}>{name}</option>
      ))}
    </datalist>
  )
}

const fresh = (name: string, taken: string[]) => {
  if (!taken.includes(name)) return name
  const join = /^[A-Z]/.test(name) ? '_' : '-'
  for (let n = 2; ; n += 1) if (!taken.includes(`${name}${join}${n}`)) return `${name}${join}${n}`
}
/** Keys keep their places when one is called otherwise. */
const renamed = (value: Map_, from: string, to: string) =>
  Object.fromEntries(Object.entries(value).map(([key, one]) => [key === from ? to : key, one]))
const without = (value: Map_, key: string): Value => {
  const { [key]: _gone, ...rest } = value
  return Object.keys(rest).length ? rest : undefined
}

function Head({ label, hint, onAdd }: { label: string; hint?: string; onAdd: () => void }) {
  const { t } = useI18n()
  return (
    <div className="mb-1 flex items-center gap-2">
      <span className="text-xs font-medium">{label}</span>
      {hint && <span className="min-w-0 truncate text-xs text-fg-3">{hint}</span>}
      <Button
        size="sm"
        variant="ghost"
        className="ml-auto"
        aria-label={t('spec.addTo', { name: label })}
        onClick={onAdd}
      >
        <Plus size={13} aria-hidden />
        {t('common.add')}
      </Button>
    </div>
  )
}

function Pairs({
  label,
  hint,
  field,
  name,
  value,
  at,
  onChange,
}: {
  label: string
  hint?: string
  field: string
  name: string
  value: Map_
  at: string
  onChange: (value: Value) => void
}) {
  const { t } = useI18n()
  const problems = useContext(Problems)
  const known = useContext(Names)
  const listId = useId()
  const keys = Object.keys(value)
  return (
    <div>
      <Head label={label} hint={hint} onAdd={() => onChange({ ...value, [fresh(name, keys)]: '' })} />
      <ul className="space-y-1.5">
        {keys.map((key, index) => (
          <li key={index} className="grid grid-cols-[minmax(0,2fr)_minmax(0,3fr)_auto] items-start gap-2">
            <NameInput
              name={key}
              taken={keys}
              known={known[field]}
              label={t('spec.nameIn', { name: label })}
              onName={(next) => onChange(renamed(value, key, next))}
            />
            <div className="min-w-0">
              <Input
                mono
                list={known[`${field}.${key}`] && `${listId}-${index}`}
                aria-label={t('spec.valueOf', { name: key })}
                aria-invalid={problems.has(`${at}.${key}`) || undefined}
                value={textOf(value[key])}
                onChange={(event) => onChange({ ...value, [key]: event.target.value })}
              />
              {known[`${field}.${key}`] && (
                <Offered id={`${listId}-${index}`} names={known[`${field}.${key}`] ?? []} />
              )}
              {problems.has(`${at}.${key}`) && (
                <p className="mt-1 text-xs text-bad">{problems.get(`${at}.${key}`)}</p>
              )}
            </div>
            <Remove name={key} onRemove={() => onChange(without(value, key))} />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Remove({ name, onRemove }: { name: string; onRemove: () => void }) {
  const { t } = useI18n()
  return (
    <Button variant="ghost" square aria-label={t('spec.removeOne', { name })} onClick={onRemove}>
      <Trash2 size={14} aria-hidden />
    </Button>
  )
}

function Named({
  label,
  hint,
  shape,
  value,
  at,
  onChange,
}: {
  label: string
  hint?: string
  shape: Shape & { t: 'map' }
  value: Map_
  at: string
  onChange: (value: Value) => void
}) {
  const { t } = useI18n()
  const keys = Object.keys(value)
  const first = shape.fields.find((field) => field.key === 'port' || field.key === 'content')
  const start = first?.key === 'port' ? { port: 8080 } : first?.key === 'content' ? { content: '' } : {}
  return (
    <div>
      <Head
        label={label}
        hint={hint}
        onAdd={() => onChange({ ...value, [fresh(shape.name, keys)]: start })}
      />
      <ul className="space-y-2">
        {keys.map((key, index) => (
          <li key={index} className="rounded-lg border bg-bg p-3">
            <div className="mb-2 flex items-center gap-2">
              <div className="min-w-0 flex-1">
                <NameInput
                  name={key}
                  taken={keys}
                  label={t('spec.nameIn', { name: label })}
                  onName={(next) => onChange(renamed(value, key, next))}
                />
              </div>
              <Remove name={key} onRemove={() => onChange(without(value, key))} />
            </div>
            <Fields
              fields={shape.fields}
              value={mapOf(value[key])}
              at={`${at}.${key}`}
              onChange={(next) => onChange({ ...value, [key]: next })}
            />
          </li>
        ))}
      </ul>
    </div>
  )
}

function Rows({
  label,
  hint,
  shape,
  value,
  at,
  onChange,
}: {
  label: string
  hint?: string
  shape: Shape & { t: 'rows' }
  value: Value
  at: string
  onChange: (value: Value) => void
}) {
  const { t } = useI18n()
  const problems = useContext(Problems)
  const rows = Array.isArray(value) ? value : []
  const error = problems.get(at)
  const set = (index: number, next: Value) => onChange(rows.map((row, i) => (i === index ? next : row)))
  const remove = (index: number) => {
    const left = rows.filter((_, i) => i !== index)
    onChange(left.length || shape.none ? left : undefined)
  }
  return (
    <div>
      <Head label={label} hint={hint} onAdd={() => onChange([...rows, shape.short ? '' : {}])} />
      {error && <p className="mb-1 text-xs text-bad">{error}</p>}
      {shape.none && (
        <Switch
          checked={value === undefined}
          onChange={(on) => onChange(on ? undefined : [])}
          label={t('spec.asDefault')}
          hint={
            value === undefined
              ? t('spec.routesDefault')
              : rows.length === 0
                ? t('spec.routesNone')
                : undefined
          }
        />
      )}
      <ul className="mt-1 space-y-2">
        {rows.map((row, index) => {
          const own = shape.short && typeof row !== 'object' ? { [shape.short]: row } : mapOf(row)
          return (
            <li key={index} className="flex items-start gap-2 rounded-lg border bg-bg p-3">
              <div className="min-w-0 flex-1">
                <Fields
                  fields={shape.fields}
                  value={own}
                  at={`${at}.${index}`}
                  onChange={(next) => set(index, short(next, shape.short))}
                />
                {problems.has(`${at}.${index}`) && (
                  <p className="mt-1 text-xs text-bad">{problems.get(`${at}.${index}`)}</p>
                )}
              </div>
              <Remove name={`${label} ${index + 1}`} onRemove={() => remove(index)} />
            </li>
          )
        })}
      </ul>
    </div>
  )
}
