/** How many instances each of the chosen components shall have. */
import { useState } from 'react'
import type { WorkloadSummary } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input } from '../ui/controls'
import { Dialog } from '../ui/dialog'

const most = 1000

export function ScaleDialog({
  chosen,
  busy,
  onScale,
  onClose,
}: {
  chosen: WorkloadSummary[]
  busy: boolean
  onScale: (these: WorkloadSummary[], instances: number) => void
  onClose: () => void
}) {
  const { t } = useI18n()
  const these = chosen.filter((one) => one.can_scale)
  const [text, setText] = useState(String(these[0]?.instances_wanted ?? 1))
  const instances = Number(text)
  const bad = text === '' || instances > most
  return (
    <Dialog open onClose={onClose} title={t('workload.scaleTitle', { n: these.length })}>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          if (!bad && !busy) onScale(these, instances)
        }}
      >
        <p className="mb-3 break-words text-sm text-fg-2">
          {these.map((one) => `${one.application} ${one.component}`).join(', ')}
        </p>
        <Field
          label={t('settings.instances')}
          error={text !== '' && instances > most ? t('workload.tooMany', { n: most }) : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              className="num md:!w-32"
              value={text}
              onChange={(event) => setText(event.target.value.replace(/\D/g, ''))}
            />
          )}
        </Field>
        {these.length < chosen.length && (
          <p className="mt-2 text-xs text-fg-3">
            {t('workload.notScaled', { n: chosen.length - these.length })}
          </p>
        )}
        <div className="mt-4 flex gap-2">
          <Button type="submit" variant="primary" disabled={bad || busy}>
            {t('workload.scale')}
          </Button>
          <Button variant="ghost" onClick={onClose}>
            {t('common.cancel')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}
