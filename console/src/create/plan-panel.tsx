/** The plan: what will run and why it was understood so, before a single thing starts. */
import { Box, Check, Globe, HardDrive, Lock, Rocket, TriangleAlert } from 'lucide-react'
import { useId } from 'react'
import { nameOk } from '../api/name'
import type { Problem } from '../api/problem'
import type { ComponentSpec, PlanReport, ProblemBody, ProblemFix } from '../api/types'
import { useI18n } from '../i18n'
import { shortUrl } from '../pages/application-view'
import { Mendable, Offers } from '../spec/offers'
import { kindWord } from '../topology/words'
import { Button, Input, Kbd } from '../ui/controls'
import { ProblemLine } from '../ui/panels'
import { Prose } from '../ui/prose'
import { Tag } from '../ui/status'
import { AcceptRefused, Reach, Settings, VariablesForm, variablesOf } from './needs'

/** Secrets that somebody must give a value before the first deploy. */
export const secretsToGive = (plan: PlanReport) =>
  Object.entries(plan.spec.secrets ?? {}).filter(
    ([name, secret]) => !secret.generate && plan.secrets?.[name] === undefined,
  )

export function PlanPanel({
  plan,
  name,
  fixedName,
  onName,
  secrets,
  onSecret,
  environment,
  busy,
  problem,
  onDeploy,
  onMend,
  blocked,
  settings,
  onSetting,
  accepted,
  onAccept,
  variables: given,
  onVariables,
}: {
  plan: PlanReport
  name: string
  fixedName: boolean
  onName: (name: string) => void
  secrets: Record<string, string>
  onSecret: (name: string, value: string) => void
  environment: string
  busy: boolean
  problem: Problem | undefined
  onDeploy: () => void
  /** `of`: which of the plan's own errors they mend. */
  onMend: (fixes: ProblemFix[], of?: ProblemBody) => void
  /** Something above must be said or corrected first. */
  blocked: boolean
  settings: Record<string, string>
  onSetting: (name: string, value: string) => void
  accepted: boolean
  onAccept: (on: boolean) => void
  /** Values that the source was read with. */
  variables: Record<string, string>
  onVariables: (values: Record<string, string>) => void
}) {
  const { t, known, list } = useI18n()
  const id = useId()
  const components = Object.entries(plan.spec.components)
  const toGive = secretsToGive(plan)
  const generated = Object.entries(plan.spec.secrets ?? {}).filter(([, secret]) => secret.generate)
  const refused = plan.errors.length > 0
  const variables = variablesOf(plan, given)
  return (
    <section
      aria-label={t('create.plan')}
      className="flex min-h-0 flex-col overflow-hidden rounded-2xl border bg-surface shadow-1"
    >
      <div className="flex min-h-11 shrink-0 items-center gap-2 border-b px-4">
        <h2 className="text-sm font-semibold">{t('create.plan')}</h2>
        <Tag className="ml-auto">{environment}</Tag>
      </div>
      <div className="min-h-0 flex-1 space-y-4 overflow-auto px-4 py-3">
        {variables.length > 0 && (
          <VariablesForm asked={variables} given={given} busy={busy} onGive={onVariables} />
        )}
        {plan.errors
          .filter((error) => !error.fixes?.some((fix) => fix.fix === 'set-variable'))
          .map((error) => (
            <Mendable
              key={`${error.code}-${error.cause}`}
              problem={error}
              onMend={(fixes) => onMend(fixes, error)}
            />
          ))}
        <AcceptRefused plan={plan} accepted={accepted} onAccept={onAccept} />
        <Reach plan={plan} />
        <div>
          <label htmlFor={id} className="eyebrow mb-1 block">
            {t('create.name')}
          </label>
          <Input
            id={id}
            value={name}
            disabled={fixedName}
            aria-invalid={!nameOk(name) || undefined}
            aria-describedby={`${id}-note`}
            onChange={(event) => onName(event.target.value)}
          />
          <p id={`${id}-note`} className={nameOk(name) ? 'mt-1 text-xs text-fg-3' : 'mt-1 text-xs text-bad'}>
            {fixedName ? t('create.nameFixed') : t('create.nameHint')}
          </p>
        </div>
        <div>
          <h3 className="eyebrow mb-1.5">{t('create.runs')}</h3>
          <ul className="space-y-1.5">
            {components.map(([component, spec]) => (
              <ComponentRow
                key={component}
                name={component}
                spec={spec}
                detected={known(`kind.${plan.detected.kind}`) ?? plan.detected.kind}
              />
            ))}
          </ul>
        </div>
        {!!plan.urls?.length && (
          <div>
            <h3 className="eyebrow mb-1">{t('create.reachable')}</h3>
            {plan.urls.map((url) => (
              <div key={url} className="flex min-h-6 items-center gap-2 text-sm">
                <Globe size={13} aria-hidden className="shrink-0 text-accent-fg" />
                <span className="min-w-0 break-all font-medium">{shortUrl(url)}</span>
              </div>
            ))}
          </div>
        )}
        {generated.length > 0 && (
          <div>
            <h3 className="eyebrow mb-1">{t('create.generated')}</h3>
            <div className="flex flex-wrap gap-1.5">
              {generated.map(([secret]) => (
                <Tag key={secret}>
                  <Lock size={10} aria-hidden />
                  <span className="mono">{secret}</span>
                </Tag>
              ))}
            </div>
          </div>
        )}
        {toGive.length > 0 && (
          <div className="space-y-2">
            <h3 className="eyebrow">{t('create.give')}</h3>
            {toGive.map(([secret, rule]) => (
              <label key={secret} htmlFor={`${id}-${secret}`} className="block text-xs">
                <span className="mono">{secret}</span>
                {rule.message && <span className="text-fg-3"> {rule.message}</span>}
                <Input
                  id={`${id}-${secret}`}
                  type="password"
                  autoComplete="off"
                  value={secrets[secret] ?? ''}
                  onChange={(event) => onSecret(secret, event.target.value)}
                  className="mt-1"
                />
              </label>
            ))}
          </div>
        )}
        <Settings plan={plan} given={settings} onGive={onSetting} />
        <div>
          <h3 className="eyebrow mb-1.5">{t('create.why')}</h3>
          <ul className="space-y-1.5 text-xs text-fg-2">
            {plan.detected.why.map((sentence) => (
              <li key={sentence} className="flex gap-2">
                <Check size={13} aria-hidden className="mt-0.5 shrink-0 text-ok" />
                <span className="min-w-0 break-words">
                  <Prose text={sentence} />
                </span>
              </li>
            ))}
            {plan.detected.alternatives.length > 0 && (
              <li className="flex gap-2">
                <TriangleAlert size={13} aria-hidden className="mt-0.5 shrink-0 text-warn" />
                <span>
                  {t('create.alternatives', {
                    names: list(plan.detected.alternatives.map((kind) => known(`kind.${kind}`) ?? kind)),
                  })}
                </span>
              </li>
            )}
          </ul>
        </div>
      </div>
      <div className="shrink-0 border-t bg-sunken p-4">
        {problem && (
          <div className="mb-3">
            <ProblemLine problem={problem} />
            <Offers fixes={problem.fixes} onMend={(fixes) => onMend(fixes)} />
          </div>
        )}
        <Button
          variant="primary"
          size="lg"
          className="w-full"
          onClick={onDeploy}
          disabled={busy || blocked || !nameOk(name) || toGive.some(([secret]) => !secrets[secret])}
        >
          <Rocket size={16} aria-hidden />
          {fixedName ? t('create.deployTo', { app: name }) : t('create.deploy')}
          <span className="ml-1 flex gap-1">
            <Kbd on>Ctrl</Kbd>
            <Kbd on>↵</Kbd>
          </span>
        </Button>
        <p className="mt-2 text-xs text-fg-3">{refused ? t('create.refusedNote') : t('create.deployNote')}</p>
      </div>
    </section>
  )
}

function ComponentRow({ name, spec, detected }: { name: string; spec: ComponentSpec; detected: string }) {
  const i18n = useI18n()
  const { t } = i18n
  const ports = Object.values(spec.ports ?? {}).map((port) => port.port)
  const volumes = Object.values(spec.volumes ?? {})
  return (
    <li className="flex items-center gap-2.5 rounded-lg border px-2.5 py-2">
      <span
        aria-hidden
        className="grid h-7 w-7 shrink-0 place-items-center rounded-md bg-accent-soft text-accent-fg"
      >
        <Box size={15} strokeWidth={1.9} />
      </span>
      <span className="min-w-0 flex-1">
        <span className="block truncate text-sm font-semibold leading-4">{name}</span>
        <span className="block truncate text-2xs text-fg-3">
          {spec.image ?? spec.database ?? detected}
          {ports.length > 0 && ` · ${t('create.port', { ports: ports.join(', ') })}`}
        </span>
      </span>
      <span className="num text-right text-2xs leading-4 text-fg-2">
        {spec.kind === 'job' || spec.kind === 'cron' || spec.kind === 'external'
          ? kindWord(spec.kind, i18n)
          : t('overview.instances', { n: spec.instances ?? 1 })}
        <br />
        {spec.resources?.memory?.limit ?? ''}
        {volumes.length > 0 && (
          <span className="inline-flex items-center gap-1 text-fg-3">
            <HardDrive size={10} aria-hidden />
            {volumes.map((volume) => volume.size ?? volume.name).join(', ')}
          </span>
        )}
      </span>
    </li>
  )
}
