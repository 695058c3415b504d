/** How applications are reached and stored on a cluster, chosen from what was found there. */
import type { CheckReport, Exposure, GatewayChoice, PlaceSettings } from '../api/types'
import { useI18n } from '../i18n'
import { Field, Input, Segmented, Select } from '../ui/controls'

/** As typed; what is empty is Pluvio's or the cluster's own choice. */
export interface Choices {
  domain: string
  port: string
  gateway: GatewayChoice['kind']
  /** `NAMESPACE/NAME` */
  gatewayName: string
  exposure: Exposure
  storageClass: string
  /** Names of teams, separated by commas. */
  restricted: string
  /** Pluvio's own there. */
  namespace: string
}

/** What is chosen already, or what fits what was found. */
export function choicesOf(settings: PlaceSettings | undefined, report: CheckReport): Choices {
  const { gateways = [], load_balancer } = report.findings
  const given = settings?.gateway
  return {
    domain: settings?.domain ?? '',
    port: settings?.gateway_port ? String(settings.gateway_port) : '',
    gateway: given?.kind ?? 'own',
    gatewayName: given?.kind === 'cluster' ? `${given.namespace}/${given.name}` : (gateways[0] ?? ''),
    exposure: settings?.exposure ?? (load_balancer?.guess === 'likely' ? 'load-balancer' : 'node-port'),
    storageClass: settings?.storage_class ?? '',
    restricted: settings?.restricted?.join(', ') ?? '',
    namespace: settings?.namespace ?? '',
  }
}

/** Nothing while they are not whole. */
export function settingsOf(choices: Choices): PlaceSettings | undefined {
  const port = choices.port.trim()
  if (port && !(/^\d+$/.test(port) && Number(port) > 0 && Number(port) < 65_536)) return undefined
  const named = /^([^/\s]+)\/([^/\s]+)$/.exec(choices.gatewayName.trim())
  if (choices.gateway === 'cluster' && !named) return undefined
  return {
    domain: choices.domain.trim() || undefined,
    gateway_port: port ? Number(port) : undefined,
    gateway:
      choices.gateway === 'cluster'
        ? { kind: 'cluster', namespace: named?.[1] ?? '', name: named?.[2] ?? '' }
        : { kind: choices.gateway },
    exposure: choices.exposure,
    storage_class: choices.storageClass || undefined,
    restricted: choices.restricted.split(/[\s,]+/).filter(Boolean),
    namespace: choices.namespace.trim() || undefined,
  }
}

export function SettingsFields({
  choices,
  onChange,
  report,
  fresh,
}: {
  choices: Choices
  onChange: (choices: Choices) => void
  report: CheckReport
  /** Of one that is there already the namespace stays. */
  fresh: boolean
}) {
  const { t } = useI18n()
  const set = (part: Partial<Choices>) => onChange({ ...choices, ...part })
  const { gateways = [], storage_classes: classes = [], load_balancer } = report.findings
  const usual = classes.find((one) => one.is_default)
  return (
    <div className="space-y-4">
      <div>
        <div className="mb-1 text-xs font-medium">{t('cluster.gateway')}</div>
        <Segmented
          label={t('cluster.gateway')}
          value={choices.gateway}
          onChange={(gateway) => set({ gateway })}
          items={[
            ['own', t('cluster.gateway.own')],
            ['cluster', t('cluster.gateway.cluster')],
            ['none', t('cluster.gateway.none')],
          ]}
        />
        <p className="mt-1 text-xs text-fg-3">{t(`cluster.gatewayText.${choices.gateway}`)}</p>
      </div>
      {choices.gateway === 'cluster' && (
        <Field label={t('cluster.gatewayName')} hint={t('cluster.gatewayNameHint')}>
          {(control) =>
            gateways.length > 0 ? (
              <Select
                {...control}
                className="w-full"
                value={choices.gatewayName}
                onChange={(event) => set({ gatewayName: event.target.value })}
              >
                {[...new Set([...gateways, choices.gatewayName])].filter(Boolean).map((gateway) => (
                  <option key={gateway}>{gateway}</option>
                ))}
              </Select>
            ) : (
              <Input
                {...control}
                mono
                value={choices.gatewayName}
                onChange={(event) => set({ gatewayName: event.target.value })}
              />
            )
          }
        </Field>
      )}
      <div className="grid gap-4 md:grid-cols-2">
        {choices.gateway === 'own' && (
          <Field
            label={t('cluster.exposure')}
            hint={
              choices.exposure === 'load-balancer' && load_balancer?.guess === 'unlikely'
                ? t('cluster.noBalancer')
                : undefined
            }
          >
            {(control) => (
              <Select
                {...control}
                className="w-full"
                value={choices.exposure}
                onChange={(event) => set({ exposure: event.target.value as Exposure })}
              >
                {(['load-balancer', 'node-port', 'host-port'] as const).map((how) => (
                  <option key={how} value={how}>
                    {t(`cluster.exposure.${how}`)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        )}
        {choices.gateway !== 'none' && (
          <>
            <Field label={t('cluster.port')} hint={t('cluster.portHint')}>
              {(control) => (
                <Input
                  {...control}
                  inputMode="numeric"
                  pattern="[0-9]*"
                  value={choices.port}
                  onChange={(event) => set({ port: event.target.value })}
                />
              )}
            </Field>
            <Field label={t('cluster.domain')} hint={t('cluster.domainHint')}>
              {(control) => (
                <Input
                  {...control}
                  mono
                  value={choices.domain}
                  onChange={(event) => set({ domain: event.target.value })}
                />
              )}
            </Field>
          </>
        )}
        <Field label={t('cluster.storageClass')} hint={t('cluster.storageClassHint')}>
          {(control) => (
            <Select
              {...control}
              className="w-full"
              value={choices.storageClass}
              onChange={(event) => set({ storageClass: event.target.value })}
            >
              <option value="">
                {usual ? t('cluster.storageDefaultIs', { name: usual.name }) : t('cluster.storageDefault')}
              </option>
              {[...new Set([...classes.map((one) => one.name), choices.storageClass])]
                .filter(Boolean)
                .map((name) => (
                  <option key={name}>{name}</option>
                ))}
            </Select>
          )}
        </Field>
        <Field label={t('cluster.restricted')} hint={t('cluster.restrictedHint')}>
          {(control) => (
            <Input
              {...control}
              mono
              value={choices.restricted}
              onChange={(event) => set({ restricted: event.target.value })}
            />
          )}
        </Field>
        {fresh && (
          <Field label={t('cluster.home')} hint={t('cluster.homeHint')}>
            {(control) => (
              <Input
                {...control}
                mono
                placeholder="pluvio-system"
                value={choices.namespace}
                onChange={(event) => set({ namespace: event.target.value })}
              />
            )}
          </Field>
        )}
      </div>
    </div>
  )
}
