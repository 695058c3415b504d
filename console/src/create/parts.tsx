/** An application made component by component. What is made stays while its plan is looked at. */
import { useState } from 'react'
import { readSpec } from '../api/queries'
import type { Spec } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { SpecEditor } from '../spec/editor'
import { Button, Field, Input } from '../ui/controls'

export default function PartsSource({
  spec,
  onChange,
  onPlan,
}: {
  spec: Spec
  onChange: (spec: Spec) => void
  onPlan: (text: string, name: string) => void
}) {
  const { t } = useI18n()
  const place = usePlace()
  const [wrong, setWrong] = useState(false)
  const [picked, setPicked] = useState<string>()
  const [adding, setAdding] = useState(false)
  const none = Object.keys(spec.components).length === 0
  return (
    <div className="flex min-h-0 flex-1 flex-col overflow-auto">
      <div className="flex flex-wrap items-end gap-3 border-b px-4 py-3">
        <Field label={t('create.partsName')} className="w-56">
          {(control) => (
            <Input
              {...control}
              mono
              value={spec.name}
              onChange={(event) => onChange({ ...spec, name: event.target.value })}
            />
          )}
        </Field>
        <p className="min-w-0 flex-1 self-center text-xs text-fg-2">{t('create.partsText')}</p>
        <Button
          variant="primary"
          disabled={none || wrong}
          onClick={() => void readSpec(place, { spec }).then((reading) => onPlan(reading.yaml, spec.name))}
        >
          {t('create.partsPlan')}
        </Button>
      </div>
      <SpecEditor
        spec={spec}
        onChange={onChange}
        onProblems={setWrong}
        picked={picked}
        onPick={setPicked}
        adding={adding}
        onAdding={setAdding}
      />
    </div>
  )
}
