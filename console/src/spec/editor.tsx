/** A specification being edited: component by component in forms, or as the text of its app.yaml. One value, both ways. */
import { Plus, Share2, Trash2 } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useChoices } from '../api/environments'
import { Problem } from '../api/problem'
import { readSpec } from '../api/queries'
import type { PlaceChoices, ProblemBody, ProblemFix, Spec } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { KindTile, kindWord } from '../topology/node'
import { Button, Segmented } from '../ui/controls'
import { cx } from '../ui/cx'
import { ProblemLine } from '../ui/panels'
import { AddDialog } from './add'
import { NamesOf, ProblemsAt, SectionForm } from './fields'
import { mend } from './mend'
import { put } from './merge'
import { Mendable } from './offers'
import { componentSections, sharedSections } from './shape'

const shared = '@shared'

/** What the cluster has, by the fields that it is for. An engine has nothing to choose among. */
const offeredBy = (choices: PlaceChoices | undefined) => {
  const offered: Record<string, string[]> = {}
  if (choices?.storage_classes.length) offered.class = choices.storage_classes
  for (const [field, labels] of [
    ['nodeLabels', choices?.node_labels],
    ['reserved', choices?.reserved],
  ] as const) {
    const names = Object.entries(labels ?? {})
    if (names.length) offered[field] = names.map(([name]) => name)
    for (const [name, values] of names) offered[`${field}.${name}`] = values
  }
  return offered
}

export function SpecEditor({
  spec,
  onChange,
  onProblems,
  picked,
  onPick,
  adding,
  onAdding,
}: {
  spec: Spec
  onChange: (spec: Spec) => void
  /** Whether what is there may be saved. */
  onProblems: (wrong: boolean) => void
  picked: string | undefined
  onPick: (component: string) => void
  adding: boolean
  onAdding: (on: boolean) => void
}) {
  const i18n = useI18n()
  const { t } = i18n
  const place = usePlace()
  const [as, setAs] = useState<'form' | 'yaml'>('form')
  const [yaml, setYaml] = useState('')
  const [problems, setProblems] = useState<ProblemBody[]>([])
  /** What the problems are of. An offer names its place in it, and does harm to anything else. */
  const [checked, setChecked] = useState<Spec>()
  const [unreachable, setUnreachable] = useState<Problem>()
  const typed = useRef<string>(undefined)
  /** What the text that is being typed was read as. */
  const readAs = useRef<Spec>(undefined)
  // Whoever changed the value, the text follows; what is being typed is left as it is.
  useEffect(() => {
    if (typed.current !== undefined && readAs.current === spec) return
    typed.current = undefined
    const controller = new AbortController()
    const timer = setTimeout(() => {
      readSpec(place, { spec }, controller.signal).then(
        (reading) => {
          // Somebody types by now: what the text says is asked by itself.
          if (typed.current !== undefined) return
          setUnreachable(undefined)
          setProblems(reading.problems)
          setChecked(spec)
          onProblems(reading.problems.length > 0)
          setYaml(reading.yaml)
        },
        (thrown: unknown) => !controller.signal.aborted && setUnreachable(Problem.of(thrown)),
      )
    }, 250)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [spec, place, onProblems])
  const type = (text: string) => {
    typed.current = text
    setChecked(undefined)
    setYaml(text)
  }
  // A text is read a moment after the last key; as long as it has no shape, the value stays what it was.
  useEffect(() => {
    if (typed.current === undefined || typed.current !== yaml) return
    const controller = new AbortController()
    const timer = setTimeout(() => {
      readSpec(place, { yaml }, controller.signal).then(
        (reading) => {
          setUnreachable(undefined)
          setProblems(reading.problems)
          setChecked(reading.spec ?? undefined)
          onProblems(reading.problems.length > 0)
          if (!reading.spec) return
          readAs.current = reading.spec
          onChange(reading.spec)
        },
        (thrown: unknown) => !controller.signal.aborted && setUnreachable(Problem.of(thrown)),
      )
    }, 350)
    return () => {
      clearTimeout(timer)
      controller.abort()
    }
  }, [yaml, place, onChange, onProblems])
  const change = (next: Spec) => {
    typed.current = undefined
    onChange(next)
  }

  const names = Object.keys(spec.components)
  const current =
    picked === shared || (picked !== undefined && names.includes(picked)) ? picked : (names[0] ?? shared)
  const component = current === shared ? undefined : spec.components[current]
  const choices = useChoices().data
  const known = useMemo(
    () => ({
      component: names.filter((name) => name !== current),
      groups: Object.keys((spec.groups as object | undefined) ?? {}),
      ...offeredBy(choices),
    }),
    [names, current, spec.groups, choices],
  )
  const at = useMemo(() => {
    const map = new Map<string, string>()
    for (const one of problems) if (one.at?.path) map.set(one.at.path.replace(/\[(\d+)\]/g, '.$1'), one.cause)
    return map
  }, [problems])
  const remove = (name: string) => {
    const next = put(spec, ['components', name], undefined)
    change({ ...next, components: next.components ?? {} })
    onPick(names.find((one) => one !== name) ?? shared)
  }
  const wrongIn = (name: string) =>
    problems.some(
      (one) => one.at?.path?.startsWith(`components.${name}.`) || one.at?.path === `components.${name}`,
    )
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 px-4 py-3">
        <Segmented
          label={t('spec.editAs')}
          value={as}
          items={[
            ['form', t('spec.form')],
            ['yaml', 'YAML'],
          ]}
          onChange={(next) => {
            setAs(next)
          }}
        />
        <Button onClick={() => onAdding(true)}>
          <Plus size={14} aria-hidden />
          {t('components.add')}
        </Button>
      </div>
      {unreachable && (
        <div className="px-4 pb-2">
          <ProblemLine problem={unreachable} />
        </div>
      )}
      {as === 'yaml' ? (
        <Text
          yaml={yaml}
          problems={problems}
          stale={checked !== spec}
          onType={type}
          onMend={(fixes) => change(mend(spec, fixes))}
        />
      ) : (
        <div className="grid min-h-0 flex-1 items-start grid-cols-[minmax(0,1fr)] gap-4 px-4 pb-6 md:grid-cols-[200px_minmax(0,1fr)]">
          <nav aria-label={t('app.tab.components')} className="min-w-0 md:sticky md:top-2">
            <ul className="flex gap-1 overflow-x-auto md:flex-col">
              {[...names, shared].map((name) => {
                const on = name === current
                return (
                  <li key={name} className="shrink-0">
                    <button
                      type="button"
                      aria-current={on ? 'true' : undefined}
                      onClick={() => onPick(name)}
                      className={cx(
                        'touch flex min-h-9 w-full items-center gap-2 rounded-md px-2 text-left text-sm',
                        on ? 'bg-hover font-medium' : 'text-fg-2 hover:bg-hover',
                      )}
                    >
                      {name === shared ? (
                        <Share2 size={15} aria-hidden className="mx-[3px] text-fg-3" />
                      ) : (
                        <KindTile kind={spec.components[name]?.kind ?? 'service'} size={20} />
                      )}
                      <span className="min-w-0 truncate">{name === shared ? t('spec.shared') : name}</span>
                      {name !== shared && wrongIn(name) && (
                        <span className="ml-auto text-xs text-bad">{t('spec.wrong')}</span>
                      )}
                    </button>
                  </li>
                )
              })}
            </ul>
          </nav>
          <div className="min-w-0 space-y-3">
            <div className="flex min-h-8 flex-wrap items-center gap-2">
              <h2 className="text-lg font-semibold">{current === shared ? t('spec.shared') : current}</h2>
              <span className="text-xs text-fg-3">
                {current === shared ? t('spec.sharedHint') : kindWord(component?.kind ?? 'service', i18n)}
              </span>
              {component && (
                <Button size="sm" variant="danger" className="ml-auto" onClick={() => remove(current)}>
                  <Trash2 size={13} aria-hidden />
                  {t('components.remove')}
                </Button>
              )}
            </div>
            {problems
              .filter(
                (one) =>
                  !one.at?.path ||
                  (component
                    ? one.at.path.startsWith(`components.${current}`)
                    : !one.at.path.startsWith('components.')),
              )
              .map((one) => (
                <Mendable
                  key={`${one.code}-${one.at?.path}-${one.cause}`}
                  problem={one}
                  stale={checked !== spec}
                  onMend={(fixes) => change(mend(spec, fixes))}
                />
              ))}
            <ProblemsAt value={at}>
              <NamesOf value={known}>
                {(component ? componentSections : sharedSections).map((section) => (
                  <SectionForm
                    key={`${current}-${section.id}`}
                    section={section}
                    at={component ? `components.${current}` : ''}
                    kind={component ? (component.kind ?? 'service') : undefined}
                    value={(component ?? spec) as Record<string, unknown>}
                    onChange={(next) =>
                      change(
                        component
                          ? put(spec, ['components', current], next)
                          : ({ ...next } as unknown as Spec),
                      )
                    }
                  />
                ))}
              </NamesOf>
            </ProblemsAt>
          </div>
        </div>
      )}
      <AddDialog
        open={adding}
        taken={names}
        onClose={() => onAdding(false)}
        onAdd={(name, made) => {
          change(put(spec, ['components', name], made))
          onAdding(false)
          onPick(name)
        }}
      />
    </div>
  )
}

function Text({
  yaml,
  problems,
  stale,
  onType,
  onMend,
}: {
  yaml: string
  problems: ProblemBody[]
  stale: boolean
  onType: (text: string) => void
  onMend: (fixes: ProblemFix[]) => void
}) {
  const { t } = useI18n()
  const area = useRef<HTMLTextAreaElement>(null)
  const go = (line: number) => {
    const lines = yaml.split('\n')
    const from = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0)
    area.current?.focus()
    area.current?.setSelectionRange(from, from + (lines[line - 1]?.length ?? 0))
  }
  return (
    <div className="flex min-h-0 flex-1 flex-col px-4 pb-4">
      <textarea
        ref={area}
        aria-label={t('spec.yaml')}
        spellCheck={false}
        value={yaml}
        onChange={(event) => onType(event.target.value)}
        onKeyDown={(event) => {
          // Two spaces; Esc and then Tab leaves the field.
          if (event.key !== 'Tab' || event.shiftKey || event.currentTarget.dataset.leave) return
          event.preventDefault()
          const { selectionStart: at, selectionEnd: to, value } = event.currentTarget
          const target = event.currentTarget
          onType(`${value.slice(0, at)}  ${value.slice(to)}`)
          requestAnimationFrame(() => target.setSelectionRange(at + 2, at + 2))
        }}
        onKeyUp={(event) => {
          if (event.key === 'Escape') event.currentTarget.dataset.leave = 'true'
          else if (event.key !== 'Tab') delete event.currentTarget.dataset.leave
        }}
        className="mono min-h-80 w-full flex-1 resize-none rounded-lg border border-line-3 bg-code p-3 leading-[22px]"
      />
      <p className="mt-1 text-xs text-fg-3">{t('spec.yamlHint')}</p>
      {problems.length > 0 && (
        <ul className="mt-2 space-y-1">
          {problems.map((one) => (
            <li key={`${one.code}-${one.at?.line}-${one.cause}`} className="flex items-start gap-2">
              {one.at?.line != null && (
                <Button size="sm" onClick={() => go(one.at?.line ?? 1)}>
                  {t('spec.line', { n: one.at.line })}
                </Button>
              )}
              <div className="min-w-0 flex-1">
                <Mendable problem={one} stale={stale} onMend={onMend} />
              </div>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
