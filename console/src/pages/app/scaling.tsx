/** How many instances by themselves: what is, and how it is set. */
import { useState } from 'react'
import { Problem } from '../../api/problem'
import { setScale } from '../../api/queries'
import type { ApplicationDetail, ComponentDetail } from '../../api/types'
import { type I18n, useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Card } from '../../ui/card'
import { Button, Field, Input } from '../../ui/controls'
import { ProblemPanel } from '../../ui/panels'
import { toast } from '../../ui/toast'

/** `3 of 2–10, by CPU 64 %`; nothing for what is scaled by hand. */
export function scalingText(component: ComponentDetail, { t, when }: I18n): string | undefined {
  const now = component.scaling
  if (!now) return undefined
  const n = component.instances_wanted
  const bounds =
    now.min === now.max ? t('scaling.fixed', { n }) : t('scaling.of', { n, min: now.min, max: now.max })
  const by = now.by.map((one) => {
    const metric =
      one.metric === 'cpu' ? t('settings.cpu') : one.metric === 'memory' ? t('settings.memory') : one.metric
    return one.now
      ? t('scaling.by', { metric, now: one.now, target: one.target })
      : t('scaling.byUnknown', { metric, target: one.target })
  })
  const next = now.next ? [t('scaling.next', { when: when(now.next) })] : []
  return [bounds, ...by, ...next].join(' · ')
}

/** Bounds and what they go by. Custom figures and times are written in the specification, and stay. */
export function ScalingCard({ app, component }: { app: ApplicationDetail; component: ComponentDetail }) {
  const i18n = useI18n()
  const { t } = i18n
  const place = usePlace()
  const written = component.scale ?? undefined
  const text = (n: number | null | undefined) => (n == null ? '' : String(n))
  const [min, setMin] = useState(text(written?.min))
  const [max, setMax] = useState(text(written?.max))
  const [cpu, setCpu] = useState(text(written?.cpu))
  const [memory, setMemory] = useState(text(written?.memory))
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const ask = (body: Parameters<typeof setScale>[3]) => {
    setBusy(true)
    setProblem(undefined)
    setScale(place, app.name, component.name, body)
      .then(
        () => toast('ok', t('scaling.asked', { component: component.name })),
        (thrown: unknown) => setProblem(Problem.of(thrown)),
      )
      .finally(() => setBusy(false))
  }
  const number = (value: string) => (value === '' ? undefined : Number(value))
  const save = () => {
    const scale = {
      ...written,
      min: number(min) ?? 1,
      max: number(max),
      cpu: number(cpu),
      memory: number(memory),
    }
    ask({ scale })
  }
  const fields: [string, string, (value: string) => void, string][] = [
    ['min', min, setMin, '2'],
    ['max', max, setMax, '10'],
    ['cpu', cpu, setCpu, '70'],
    ['memory', memory, setMemory, ''],
  ]
  const further = (written?.custom?.length ?? 0) + (written?.schedule?.length ?? 0)
  return (
    <Card title={t('scaling.title')} hint={scalingText(component, i18n) ?? t('scaling.off')}>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        {fields.map(([key, value, set, placeholder]) => (
          <Field key={key} label={t(`scaling.field.${key as 'min' | 'max' | 'cpu' | 'memory'}`)}>
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                className="num"
                placeholder={placeholder}
                value={value}
                onChange={(event) => set(event.target.value.replace(/\D/g, ''))}
              />
            )}
          </Field>
        ))}
      </div>
      <p className="mt-2 text-xs text-fg-3">{t('scaling.text', { n: further })}</p>
      {problem && <ProblemPanel problem={problem} />}
      {component.scaling?.problem && <ProblemPanel problem={new Problem(component.scaling.problem)} />}
      <div className="mt-3 flex flex-wrap gap-2">
        <Button onClick={save} disabled={busy}>
          {written ? t('scaling.save') : t('scaling.begin')}
        </Button>
        {written && (
          <Button
            variant="ghost"
            onClick={() => ask({ instances: component.instances_wanted || written.min, fixed: true })}
            disabled={busy}
          >
            {t('scaling.end', { n: component.instances_wanted || written.min })}
          </Button>
        )}
      </div>
    </Card>
  )
}
