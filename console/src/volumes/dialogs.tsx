/** Where a volume is to be mounted, and what a copy of it is to be called. */
import { type FormEvent, type ReactNode, useState } from 'react'
import { Problem } from '../api/problem'
import { useApplication, useApplications } from '../api/queries'
import type { VolumeSummary } from '../api/types'
import { attachVolume, cloneVolume } from '../api/volumes'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Button, Field, Input, Segmented, Select } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { ProblemLine } from '../ui/panels'
import { toast } from '../ui/toast'

function Form({
  title,
  action,
  ready,
  onClose,
  onSend,
  children,
}: {
  title: string
  action: string
  ready: boolean
  onClose: () => void
  onSend: () => Promise<void>
  children: ReactNode
}) {
  const { t } = useI18n()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const send = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await onSend()
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open onClose={onClose} title={title}>
      <form onSubmit={(event) => void send(event)} className="space-y-3">
        {children}
        {problem && <ProblemLine problem={problem} />}
        <div className="flex gap-2">
          <Button type="submit" variant="primary" disabled={!ready || busy}>
            {action}
          </Button>
          <Button variant="ghost" onClick={onClose}>
            {t('common.cancel')}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

function Application({ value, onChange }: { value: string; onChange: (app: string) => void }) {
  const { t } = useI18n()
  const applications = useApplications()
  const names = applications.data?.map((one) => one.name) ?? []
  return (
    <Field label={t('volume.application')}>
      {(control) => (
        <Select
          {...control}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          className="w-full"
        >
          {!names.includes(value) && <option value={value}>{value || t('volume.choose')}</option>}
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </Select>
      )}
    </Field>
  )
}

export function AttachDialog({
  volume,
  app,
  onClose,
}: {
  volume: VolumeSummary
  app?: string
  onClose: () => void
}) {
  const { t } = useI18n()
  const place = usePlace()
  const [application, setApplication] = useState(app ?? volume.used_by?.[0]?.application ?? '')
  const [component, setComponent] = useState('')
  const [path, setPath] = useState('/data')
  const [access, setAccess] = useState<'exclusive' | 'shared'>(
    volume.used_by?.length || volume.access === 'shared' ? 'shared' : 'exclusive',
  )
  return (
    <Form
      title={t('volume.attachOf', { name: volume.name })}
      action={t('volume.attach')}
      ready={application !== '' && path.startsWith('/') && path.length > 1}
      onClose={onClose}
      onSend={async () => {
        await attachVolume(place, volume.id, { application, component, path, access })
        toast('ok', t('volume.attaching', { name: volume.name, app: application }))
      }}
    >
      <p className="text-sm text-fg-2">{t('volume.attachText')}</p>
      {!app && <Application value={application} onChange={setApplication} />}
      {application && <Component app={application} value={component} onChange={setComponent} />}
      <Field label={t('volume.path')} hint={t('volume.pathHint')}>
        {(control) => (
          <Input {...control} mono value={path} onChange={(event) => setPath(event.target.value)} />
        )}
      </Field>
      <Segmented
        label={t('volume.access')}
        value={access}
        onChange={setAccess}
        items={[
          ['exclusive', t('volume.access.exclusive')],
          ['shared', t('volume.access.shared')],
        ]}
      />
      <p className="text-xs text-fg-3">
        {t(access === 'shared' ? 'volume.sharedText' : 'volume.exclusiveText')}
      </p>
    </Form>
  )
}

function Component({
  app,
  value,
  onChange,
}: {
  app: string
  value: string
  onChange: (component: string) => void
}) {
  const { t } = useI18n()
  const application = useApplication(app)
  const names = application.data?.components.map((one) => one.name) ?? []
  const first = names[0]
  if (first && !names.includes(value)) queueMicrotask(() => onChange(first))
  return (
    <Field label={t('volume.component')}>
      {(control) => (
        <Select
          {...control}
          value={value}
          onChange={(event) => onChange(event.target.value)}
          className="w-full"
        >
          {names.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </Select>
      )}
    </Field>
  )
}

export function CopyDialog({ volume, onClose }: { volume: VolumeSummary; onClose: () => void }) {
  const { t } = useI18n()
  const place = usePlace()
  const [name, setName] = useState(`${volume.name}-copy`)
  const [application, setApplication] = useState(volume.released_at ? '' : (volume.application ?? ''))
  return (
    <Form
      title={t('volume.copyOf', { name: volume.name })}
      action={t('volume.copy')}
      ready={application !== '' && name !== ''}
      onClose={onClose}
      onSend={async () => {
        await cloneVolume(place, volume.id, { name, application })
        toast('ok', t('volume.copying', { name: volume.name }))
      }}
    >
      <p className="text-sm text-fg-2">
        {t(volume.state === 'bound' ? 'volume.copyTextBound' : 'volume.copyText')}
      </p>
      <Application value={application} onChange={setApplication} />
      <Field label={t('volume.newName')}>
        {(control) => (
          <Input {...control} mono value={name} onChange={(event) => setName(event.target.value)} />
        )}
      </Field>
    </Form>
  )
}
