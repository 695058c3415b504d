/** A cluster is added in two steps: its kubeconfig is looked at, then it is chosen how it is reached and where it stores. */
import { ArrowLeft, FileUp, ScanSearch } from 'lucide-react'
import { type FormEvent, useRef, useState } from 'react'
import { addCluster, checkCluster } from '../api/clusters'
import { Problem } from '../api/problem'
import type { CheckReport, ClusterSummary } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input, Select, TextArea } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { ProblemLine } from '../ui/panels'
import { toast } from '../ui/toast'
import { contextsOf, nameFrom } from './kubeconfig'
import { isUsable, Report } from './report'
import { type Choices, choicesOf, SettingsFields, settingsOf } from './settings'

/** Mounted while it is open, so that nothing of a credential is left when it closes. */
export function AddCluster({
  cluster,
  onClose,
  onAdded,
}: {
  /** One that is there already, whose credential and settings are given anew. */
  cluster?: ClusterSummary
  onClose: () => void
  onAdded?: (name: string) => void
}) {
  const { t } = useI18n()
  const [kubeconfig, setKubeconfig] = useState('')
  const [context, setContext] = useState('')
  const [name, setName] = useState(cluster?.name ?? '')
  const [typed, setTyped] = useState(cluster !== undefined)
  const [report, setReport] = useState<CheckReport>()
  const [choices, setChoices] = useState<Choices>()
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const settings = choices && settingsOf(choices)

  const given = (text: string, chosen?: string) => {
    setKubeconfig(text)
    const contexts = contextsOf(text)
    const next = chosen ?? contexts?.current ?? contexts?.names[0] ?? ''
    setContext(next)
    if (!typed) setName(nameFrom(next))
  }
  const during = async (act: () => Promise<void>) => {
    setBusy(true)
    setProblem(undefined)
    try {
      await act()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  const request = { name, kubeconfig, context: context || undefined }
  const look = () =>
    during(async () => {
      const found = await checkCluster(request)
      setChoices(choicesOf(cluster?.settings, found))
      setReport(found)
    })
  const join = () =>
    during(async () => {
      await addCluster({ ...request, settings })
      if (cluster) toast('ok', t('cluster.changed', { name }))
      else toast('ok', t('cluster.addedText', { name }), t('cluster.addedNext'))
      onClose()
      onAdded?.(name)
    })
  const submit = (act: () => Promise<void>) => (event: FormEvent) => {
    event.preventDefault()
    if (!busy) void act()
  }
  return (
    <Dialog
      open
      onClose={onClose}
      title={cluster ? t('cluster.change', { name: cluster.name }) : t('cluster.addTitle')}
      width="md:w-[620px]"
    >
      {report && choices ? (
        <form onSubmit={submit(join)} className="space-y-4">
          <Report report={report} />
          {isUsable(report) && (
            <SettingsFields choices={choices} onChange={setChoices} report={report} fresh={!cluster} />
          )}
          {problem && <ProblemLine problem={problem} />}
          <div className="flex flex-wrap gap-2">
            <Button type="submit" variant="primary" disabled={busy || !settings || !isUsable(report)}>
              {busy ? t('cluster.joining') : cluster ? t('cluster.apply') : t('cluster.join')}
            </Button>
            <Button
              variant="ghost"
              disabled={busy}
              onClick={() => {
                setReport(undefined)
                setProblem(undefined)
              }}
            >
              <ArrowLeft size={14} aria-hidden />
              {t('cluster.back')}
            </Button>
          </div>
        </form>
      ) : (
        <form onSubmit={submit(look)} className="space-y-4">
          <p className="text-sm text-fg-2">{cluster ? t('cluster.changeText') : t('cluster.addText')}</p>
          <Credential kubeconfig={kubeconfig} context={context} given={given} />
          {!cluster && (
            <Field label={t('cluster.name')} hint={t('cluster.nameHint')}>
              {(control) => (
                <Input
                  {...control}
                  mono
                  autoComplete="off"
                  value={name}
                  onChange={(event) => {
                    setTyped(true)
                    setName(event.target.value)
                  }}
                />
              )}
            </Field>
          )}
          {problem && <ProblemLine problem={problem} />}
          <div className="flex flex-wrap items-center gap-2">
            <Button type="submit" variant="primary" disabled={busy || !kubeconfig.trim() || !name}>
              <ScanSearch size={14} aria-hidden />
              {busy ? t('cluster.looking') : t('cluster.look')}
            </Button>
            <Button variant="ghost" onClick={onClose}>
              {t('common.cancel')}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  )
}

function Credential({
  kubeconfig,
  context,
  given,
}: {
  kubeconfig: string
  context: string
  given: (text: string, context?: string) => void
}) {
  const { t } = useI18n()
  const file = useRef<HTMLInputElement>(null)
  const [unread, setUnread] = useState(false)
  const contexts = contextsOf(kubeconfig)
  const take = async (chosen: File | undefined) => {
    if (!chosen) return
    setUnread(false)
    try {
      given(await chosen.text())
    } catch {
      setUnread(true)
    }
  }
  return (
    <>
      <div>
        <Field
          label={t('cluster.kubeconfig')}
          hint={t('cluster.kubeconfigHint')}
          error={unread ? t('cluster.fileBad') : undefined}
        >
          {(control) => (
            <TextArea
              {...control}
              mono
              rows={6}
              autoComplete="off"
              value={kubeconfig}
              onChange={(event) => given(event.target.value)}
            />
          )}
        </Field>
        <input
          ref={file}
          type="file"
          hidden
          onChange={(event) => {
            void take(event.target.files?.[0])
            event.target.value = ''
          }}
        />
        <Button size="sm" className="mt-2" onClick={() => file.current?.click()}>
          <FileUp size={13} aria-hidden />
          {t('cluster.file')}
        </Button>
      </div>
      {kubeconfig.trim() !== '' && contexts?.names.length !== 1 && (
        <Field label={t('cluster.context')} hint={contexts ? undefined : t('cluster.contextHint')}>
          {(control) =>
            contexts ? (
              <Select
                {...control}
                className="w-full"
                value={context}
                onChange={(event) => given(kubeconfig, event.target.value)}
              >
                {contexts.names.map((one) => (
                  <option key={one} value={one}>
                    {one === contexts.current ? t('cluster.contextCurrent', { name: one }) : one}
                  </option>
                ))}
              </Select>
            ) : (
              <Input
                {...control}
                mono
                value={context}
                onChange={(event) => given(kubeconfig, event.target.value)}
              />
            )
          }
        </Field>
      )}
    </>
  )
}
