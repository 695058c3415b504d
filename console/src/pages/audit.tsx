/** Who did what, the newest first, and whether the log is as it was written. Filters are in the address. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ScrollText, ShieldCheck } from 'lucide-react'
import { type FormEvent, useEffect, useId, useMemo, useState } from 'react'
import { Problem } from '../api/problem'
import { auditPath, useMay, usePages, verifyAudit } from '../api/queries'
import type { AuditReport, AuditRow } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Page } from '../ui/card'
import { Avatar, Button, Input, Segmented, Select } from '../ui/controls'
import { Denied, Empty, LoadingRows, ProblemPanel } from '../ui/panels'
import { type State, Status, StatusIcon, Tag } from '../ui/status'
import { type AuditSearch, asSince, type Since, spans } from './audit-search'

export default function Audit() {
  const { t } = useI18n()
  const place = usePlace()
  const may = useMay('audit:view')
  const search = useSearch({ strict: false }) as AuditSearch
  return (
    <>
      <Top crumbs={[place.team, t('nav.audit')]} />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{t('nav.audit')}</h1>
        {may ? (
          <>
            <Verdict />
            <Filters search={search} />
            <Records search={search} />
          </>
        ) : (
          <Denied permission="audit:view" />
        )}
      </Page>
    </>
  )
}

/** Asks for the check, and says what came of it. */
function Verdict() {
  const { t } = useI18n()
  const [busy, setBusy] = useState(false)
  const [report, setReport] = useState<AuditReport>()
  const [problem, setProblem] = useState<Problem>()
  const check = async () => {
    setBusy(true)
    setReport(undefined)
    setProblem(undefined)
    try {
      setReport(await verifyAudit())
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p className="min-w-60 flex-1 text-sm text-fg-2">{t('audit.text')}</p>
        <Button onClick={() => void check()} disabled={busy}>
          <ShieldCheck size={14} aria-hidden />
          {busy ? t('audit.checking') : t('audit.check')}
        </Button>
      </div>
      <div role="status" className="empty:hidden">
        {report && (
          <p className="flex items-center gap-2 rounded-lg bg-ok-soft px-4 py-2 text-sm text-ok">
            <StatusIcon state="succeeded" />
            <span>
              <b className="font-semibold">{t('audit.intact')}</b>{' '}
              {t('audit.intactText', { n: report.sealed })}
              {report.open > 0 && ` ${t('audit.open', { n: report.open })}`}
            </span>
          </p>
        )}
      </div>
      {problem && <ProblemPanel problem={problem} />}
    </>
  )
}

function Filters({ search }: { search: AuditSearch }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const set = (part: AuditSearch) =>
    void navigate({
      to: '/t/$team/e/$env/org/audit',
      params: place,
      search: { ...search, ...part },
      replace: true,
    })
  return (
    <search aria-label={t('audit.filters')} className="flex flex-wrap items-center gap-2">
      <Segmented
        label={t('audit.scope')}
        value={search.all ? 'all' : 'team'}
        items={[
          ['team', t('audit.team', { team: place.team })],
          ['all', t('audit.all')],
        ]}
        onChange={(scope) => set({ all: scope === 'all' ? true : undefined })}
      />
      <Filter
        label={t('audit.actor')}
        placeholder={t('audit.actor')}
        value={search.actor}
        onChange={(actor) => set({ actor })}
      />
      <Filter
        label={t('audit.action')}
        placeholder={t('audit.actionExample')}
        value={search.action}
        onChange={(action) => set({ action })}
        offers={actions}
      />
      <Filter
        label={t('audit.object')}
        placeholder={t('audit.objectExample')}
        value={search.object}
        onChange={(object) => set({ object })}
      />
      <Select
        aria-label={t('audit.since')}
        value={search.since ?? ''}
        onChange={(event) => set({ since: asSince(event.target.value) })}
      >
        <option value="">{t('audit.since.any')}</option>
        {(Object.keys(spans) as Since[]).map((span) => (
          <option key={span} value={span}>
            {t(`audit.since.${span}`)}
          </option>
        ))}
      </Select>
    </search>
  )
}

/** What the action filter offers; any other may be typed, and a first part finds all that begins with it. */
const actions = [
  'application',
  'application:deploy',
  'application:operate',
  'application:delete',
  'credential',
  'instance:exec',
  'secret',
  'secret:read',
  'sign-in',
]

/** Takes what was typed at Enter, on leaving the field, and after a short rest. */
function Filter({
  label,
  placeholder,
  value = '',
  onChange,
  offers,
}: {
  label: string
  placeholder: string
  value?: string
  onChange: (value: string | undefined) => void
  offers?: string[]
}) {
  const id = useId()
  const [text, setText] = useState(value)
  // The address changed by another way: back, or a link.
  const [seen, setSeen] = useState(value)
  if (seen !== value) {
    setSeen(value)
    if (text.trim() !== value) setText(value)
  }
  const commit = () => text.trim() !== value && onChange(text.trim() || undefined)
  useEffect(() => {
    if (text.trim() === value) return
    const timer = setTimeout(() => onChange(text.trim() || undefined), 500)
    return () => clearTimeout(timer)
  })
  return (
    <form
      className="min-w-36 flex-1"
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        commit()
      }}
    >
      <Input
        type="search"
        aria-label={label}
        placeholder={placeholder}
        value={text}
        list={offers && id}
        onChange={(event) => setText(event.target.value)}
        onBlur={commit}
      />
      {offers && (
        <datalist id={id}>
          {offers.map((offer) => (
            <option key={offer} value={offer} />
          ))}
        </datalist>
      )}
    </form>
  )
}

function Records({ search }: { search: AuditSearch }) {
  const { t } = useI18n()
  const place = usePlace()
  const { all, actor, action, object, since } = search
  // Counted from when it was chosen, so that the question does not change with each look.
  const from = useMemo(() => since && new Date(Date.now() - spans[since]).toISOString(), [since])
  const records = usePages<AuditRow>(
    auditPath(all ? undefined : place.team, { actor, action, object, since: from }),
  )
  if (records.problem && !records.data)
    return <ProblemPanel problem={records.problem} onRetry={records.refresh} />
  if (!records.data)
    return (
      <div className="card">
        <LoadingRows rows={8} />
      </div>
    )
  if (records.data.length === 0)
    return (
      <div className="card">
        <Empty
          icon={ScrollText}
          title={t('audit.empty')}
          text={actor || action || object || since ? t('audit.noneFound') : t('audit.emptyText')}
        />
      </div>
    )
  return (
    <>
      <Table rows={records.data} teams={all ?? false} />
      {records.more && (
        <div className="flex justify-center">
          <Button onClick={records.more} disabled={records.loadingMore}>
            {t('common.more')}
          </Button>
        </div>
      )}
    </>
  )
}

const results: Record<string, State> = { done: 'succeeded', asked: 'waiting', refused: 'failed' }

function Table({ rows, teams }: { rows: AuditRow[]; teams: boolean }) {
  const { t, known, when, utc } = useI18n()
  return (
    <div className="card overflow-hidden">
      <table className="w-full table-fixed text-sm">
        <thead>
          <tr className="table-head border-b bg-sunken">
            <th className="w-36 !pl-4 max-md:hidden">{t('audit.when')}</th>
            <th className="w-36 max-lg:hidden">{t('audit.actor')}</th>
            <th className="max-md:!pl-4">{t('audit.what')}</th>
            {teams && <th className="w-32 max-lg:hidden">{t('audit.teamName')}</th>}
            <th className="w-52 !pr-4 max-md:w-32">{t('audit.result')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.number} className="border-t align-top first:border-t-0">
              <td
                className="num px-2 py-2 !pl-4 text-xs leading-5 text-fg-2 max-md:hidden"
                title={utc(row.at)}
              >
                {when(row.at)}
              </td>
              <td className="px-2 py-2 max-lg:hidden">
                <span className="flex min-w-0 items-center gap-1.5 text-xs leading-5">
                  <Avatar name={row.actor} size={16} />
                  <span className="truncate">{row.actor}</span>
                </span>
              </td>
              <td className="min-w-0 break-words px-2 py-2 max-md:!pl-4">
                <span className="mono block text-xs leading-5 md:inline">{row.action}</span>{' '}
                <span className="text-fg-2">{row.object}</span>
                <span className="block text-xs text-fg-3 lg:hidden">
                  <span className="num md:hidden">{when(row.at)} · </span>
                  {row.actor}
                  {teams && row.team && ` · ${row.team}`}
                </span>
              </td>
              {teams && (
                <td className="truncate px-2 py-2 text-xs leading-5 text-fg-2 max-lg:hidden">
                  {row.team ?? '–'}
                </td>
              )}
              <td className="px-2 py-2 !pr-4 text-xs leading-5">
                <span className="flex flex-wrap items-center gap-x-2">
                  <Status state={results[row.result] ?? 'unknown'}>
                    {known(`audit.result.${row.result}`) ?? row.result}
                  </Status>
                  {!row.sealed && <Tag>{t('audit.unsealed')}</Tag>}
                </span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
