/** What a list of workloads is narrowed by: words, cluster, environment, state, kind. */
import type { RefObject } from 'react'
import type { WorkloadSummary } from '../api/types'
import { useI18n } from '../i18n'
import { kindWord } from '../topology/words'
import { Select } from '../ui/controls'
import { Find } from '../ui/find'
import { asState } from '../ui/status'
import type { Wanted } from './choose'

export function Filters({
  all,
  wanted,
  onChange,
  field,
}: {
  all: WorkloadSummary[]
  wanted: Wanted
  onChange: (wanted: Wanted) => void
  field: RefObject<HTMLInputElement | null>
}) {
  const i18n = useI18n()
  const { t } = i18n
  const set = (change: Partial<Wanted>) => onChange({ ...wanted, ...change })
  const several = (of: (one: WorkloadSummary) => string, chosen: string) =>
    [...new Set([...all.map(of), ...(chosen ? [chosen] : [])])].sort()
  return (
    <search className="grid grid-cols-2 gap-2 md:flex md:flex-wrap">
      <Find
        field={field}
        label={t('workload.find')}
        value={wanted.find}
        onFind={(find) => set({ find })}
        className="col-span-2 min-w-0 md:flex-1 md:basis-56"
      />
      <Choice
        label={t('workload.cluster')}
        any={t('workload.anyCluster')}
        value={wanted.cluster}
        values={several((one) => one.cluster, wanted.cluster).map((name) => [name, name])}
        onChange={(cluster) => set({ cluster })}
      />
      <Choice
        label={t('workload.environment')}
        any={t('workload.anyEnvironment')}
        value={wanted.environment}
        values={several((one) => one.environment, wanted.environment).map((name) => [name, name])}
        onChange={(environment) => set({ environment })}
      />
      <Choice
        label={t('workload.state')}
        any={t('workload.anyState')}
        value={wanted.state}
        values={several((one) => one.status, wanted.state).map((word) => [word, t(`state.${asState(word)}`)])}
        onChange={(state) => set({ state })}
      />
      <Choice
        label={t('workload.kind')}
        any={t('workload.anyKind')}
        value={wanted.kind}
        values={several((one) => one.kind, wanted.kind).map((word) => [word, kindWord(word, i18n)])}
        onChange={(kind) => set({ kind })}
      />
    </search>
  )
}

/** One of what is there, or any. */
export function Choice({
  label,
  any,
  value,
  values,
  onChange,
}: {
  label: string
  any: string
  value: string
  values: [string, string][]
  onChange: (value: string) => void
}) {
  return (
    <Select aria-label={label} value={value} onChange={(event) => onChange(event.target.value)}>
      <option value="">{any}</option>
      {values.map(([name, word]) => (
        <option key={name} value={name}>
          {word}
        </option>
      ))}
    </Select>
  )
}
