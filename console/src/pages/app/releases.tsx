/** History, the difference of any two releases, and what rolling back to one would do. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowRight, Box, GitCommitHorizontal, GitCompareArrows, Timer, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { Problem } from '../../api/problem'
import { rollback, useDiff, useMay, useReleases, useRollbackPreview } from '../../api/queries'
import type { ReleaseSummary } from '../../api/types'
import { useI18n } from '../../i18n'
import { useKeys } from '../../shell/keys'
import { usePlace } from '../../shell/place'
import { Avatar, Button, Kbd } from '../../ui/controls'
import { cx } from '../../ui/cx'
import { DiffList } from '../../ui/diff'
import { Empty, LoadingRows, ProblemLine, ProblemPanel } from '../../ui/panels'
import { Status, StatusIcon, Tag } from '../../ui/status'
import { releaseTitle } from '../application-view'
import { useRowKeys } from '../rows'
import { useApp } from './context'
import { releaseState } from './overview'
import { Effects, Notes } from './preview'

interface Search {
  from?: number
  to?: number
  rollback?: number
}

export default function Releases() {
  const { app } = useApp()
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const releases = useReleases(app.name)
  const search = useSearch({ strict: false }) as Search
  const all = releases.data ?? []
  const live = all.find((one) => one.status === 'live')
  // Without a choice: the newest against the one before it.
  const to = search.to ?? all[0]?.number
  const from = search.from ?? before(all, to)?.number
  const set = (part: Search) =>
    void navigate({
      to: '/t/$team/e/$env/apps/$app/releases',
      params: { ...place, app: app.name },
      search: { from: search.from, to: search.to, ...part },
      replace: true,
    })
  const pick = (number: number) => {
    // A pick keeps the last one as the other side, the older first.
    const other = to === number ? from : to
    if (other === undefined) set({ to: number })
    else set({ from: Math.min(other, number), to: Math.max(other, number), rollback: undefined })
  }
  const row = useRowKeys(all.length)
  useKeys({
    x: () => {
      const number = Number((document.activeElement as HTMLElement | null)?.dataset.release)
      if (number) pick(number)
    },
  })
  const target = all.find((one) => one.number === search.rollback)
  return (
    <div className="flex min-h-0 flex-1 max-lg:flex-col max-lg:overflow-auto">
      <section
        aria-label={t('release.title')}
        className="shrink-0 border-r bg-surface lg:w-[348px] lg:overflow-auto"
      >
        <div className="sticky top-0 z-[2] flex h-10 items-center border-b bg-surface px-4 text-xs text-fg-3">
          <span>{t('release.count', { n: all.length })}</span>
          <span aria-hidden className="ml-auto hidden items-center gap-1 md:flex">
            <Kbd>J</Kbd>
            <Kbd>K</Kbd> {t('palette.move')} <Kbd>X</Kbd> {t('release.pick')}
          </span>
        </div>
        {releases.problem && !releases.data ? (
          <ProblemPanel bare problem={releases.problem} onRetry={releases.refresh} />
        ) : !releases.data ? (
          <LoadingRows rows={8} />
        ) : all.length === 0 ? (
          <Empty icon={GitCommitHorizontal} title={t('release.empty')} text={t('release.emptyText')} />
        ) : (
          <ol>
            {all.map((release, index) => (
              <ReleaseRow
                key={release.number}
                release={release}
                mark={release.number === from ? 'A' : release.number === to ? 'B' : undefined}
                last={index === all.length - 1}
                row={row(index)}
                onPick={() => pick(release.number)}
                onRollback={
                  release.restorable && release.number !== live?.number
                    ? () => set({ rollback: release.number, from: release.number, to: live?.number ?? to })
                    : undefined
                }
              />
            ))}
          </ol>
        )}
        {releases.more && (
          <div className="flex justify-center p-3">
            <Button onClick={releases.more} disabled={releases.loadingMore}>
              {t('common.more')}
            </Button>
          </div>
        )}
      </section>
      <Difference app={app.name} from={from} to={to} />
      {target && (
        <RollbackPanel
          key={target.number}
          app={app.name}
          release={target}
          onClose={() => set({ rollback: undefined })}
        />
      )}
    </div>
  )
}

const before = (all: ReleaseSummary[], number: number | undefined) =>
  all.find(
    (one) =>
      number !== undefined && one.number < number && one.status !== 'failed' && one.status !== 'superseded',
  ) ?? all.find((one) => number !== undefined && one.number < number)

function ReleaseRow({
  release,
  mark,
  last,
  row,
  onPick,
  onRollback,
}: {
  release: ReleaseSummary
  mark: 'A' | 'B' | undefined
  last: boolean
  row: (element: HTMLElement | null) => void
  onPick: () => void
  onRollback: (() => void) | undefined
}) {
  const i18n = useI18n()
  const { t, when, utc, duration } = i18n
  const place = usePlace()
  const name = `r${release.number}`
  return (
    <li className={cx('relative px-4 py-2.5', mark ? 'bg-accent-soft' : 'hover:bg-hover')}>
      {!last && <i aria-hidden className="absolute -bottom-3 left-[27px] top-9 w-px bg-line-2" />}
      <button
        type="button"
        ref={row}
        data-release={release.number}
        aria-pressed={mark !== undefined}
        onClick={onPick}
        className="relative flex w-full gap-3 text-left"
      >
        <span
          aria-hidden
          className={cx(
            'relative z-[1] mt-0.5 grid h-6 w-6 shrink-0 place-items-center rounded-full text-2xs font-bold',
            mark ? 'bg-accent text-on-accent' : 'border border-line-2 bg-surface text-fg-3',
          )}
        >
          {mark ?? <StatusIcon state={releaseState[release.status]} size={13} />}
        </span>
        <span className="min-w-0 flex-1">
          <span className="flex items-center gap-2">
            <b className="num font-semibold">{name}</b>
            {release.status === 'live' && (
              <Status state="running" pill>
                {t('release.status.live')}
              </Status>
            )}
            {release.status === 'deploying' && <Status state="deploying" pill />}
            {release.status === 'failed' && <Status state="failed" pill />}
            {release.status === 'superseded' && <Status state="superseded" pill />}
            <span className="num ml-auto text-xs text-fg-3" title={utc(release.at)}>
              {when(release.at)}
            </span>
          </span>
          <span className="block truncate text-sm">{releaseTitle(release, i18n)}</span>
          <span className={cx('flex items-center gap-1.5 text-xs', mark ? 'text-fg-2' : 'text-fg-3')}>
            <Avatar name={release.actor} size={15} />
            <span className="truncate">{release.actor}</span>
            <span className="num ml-auto shrink-0">
              {release.duration_ms != null && duration(release.duration_ms)}
            </span>
          </span>
        </span>
      </button>
      {mark && (onRollback || release.operation) && (
        <span className="mt-1 flex gap-1 pl-7">
          {onRollback && (
            <Button size="sm" variant="ghost" onClick={onRollback}>
              <Undo2 size={13} aria-hidden />
              {t('release.rollbackTo', { release: name })}
            </Button>
          )}
          {release.operation && (
            <Link
              to="/t/$team/e/$env/operations/$id"
              params={{ ...place, id: release.operation }}
              className="touch inline-flex h-7 items-center rounded-md px-2 text-xs font-medium text-fg-2 hover:bg-hover hover:text-fg"
            >
              {t('release.log')}
            </Link>
          )}
        </span>
      )}
    </li>
  )
}

function Difference({ app, from, to }: { app: string; from: number | undefined; to: number | undefined }) {
  const { t } = useI18n()
  const diff = useDiff(app, from, to)
  const rows = diff.data?.components.flatMap((one) => one.rows) ?? []
  const count = (kind: string) => rows.filter((row) => row.change === kind).length
  return (
    <section aria-label={t('release.difference')} className="min-w-0 flex-1 lg:overflow-auto">
      <div className="sticky top-0 z-[1] flex min-h-10 flex-wrap items-center gap-2 border-b bg-bg px-4 py-1.5 text-sm md:px-5">
        {from !== undefined && to !== undefined ? (
          <>
            {[from, to].map((number, index) => (
              <span key={number} className="flex items-center gap-2">
                {index > 0 && <ArrowRight size={14} aria-hidden className="text-fg-3" />}
                <b
                  aria-hidden
                  className="grid h-5 w-5 place-items-center rounded-full bg-accent text-2xs text-on-accent"
                >
                  {index ? 'B' : 'A'}
                </b>
                <b className="num font-semibold">r{number}</b>
              </span>
            ))}
            <span className="ml-auto flex flex-wrap gap-1.5">
              {count('added') > 0 && <Tag tone="ok">{t('release.added', { n: count('added') })}</Tag>}
              {count('changed') > 0 && (
                <Tag tone="accent">{t('release.changed', { n: count('changed') })}</Tag>
              )}
              {count('removed') > 0 && <Tag tone="bad">{t('release.removed', { n: count('removed') })}</Tag>}
            </span>
          </>
        ) : (
          <span className="text-fg-3">{t('release.difference')}</span>
        )}
      </div>
      <div className="space-y-3 p-4 md:p-5">
        {from === undefined || to === undefined ? (
          <div className="card">
            <Empty
              icon={GitCompareArrows}
              title={t('release.nothingToCompare')}
              text={t('release.nothingToCompareText')}
            />
          </div>
        ) : diff.problem && !diff.data ? (
          <ProblemPanel problem={diff.problem} onRetry={diff.refresh} />
        ) : !diff.data ? (
          <div className="card">
            <LoadingRows rows={3} />
          </div>
        ) : rows.length === 0 ? (
          <p className="text-sm text-fg-2">{t('release.same')}</p>
        ) : (
          diff.data.components
            .filter((one) => one.rows.length)
            .map((one) => (
              <article key={one.component} className="card overflow-hidden">
                <header className="flex h-10 items-center gap-2.5 border-b px-3">
                  <span
                    aria-hidden
                    className="grid h-[22px] w-[22px] place-items-center rounded-md bg-accent-soft text-accent-fg"
                  >
                    <Box size={13} />
                  </span>
                  <h2 className="text-sm font-semibold">{one.component}</h2>
                  <Tag tone={one.change === 'added' ? 'ok' : one.change === 'removed' ? 'bad' : 'mute'}>
                    {t(`diff.${one.change}`)}
                  </Tag>
                </header>
                <DiffList
                  changes={one.rows.map((row) => ({
                    kind: row.change,
                    at: row.what,
                    before: row.before ?? undefined,
                    after: row.after ?? undefined,
                  }))}
                />
              </article>
            ))
        )}
      </div>
    </section>
  )
}

function RollbackPanel({
  app,
  release,
  onClose,
}: {
  app: string
  release: ReleaseSummary
  onClose: () => void
}) {
  const { t, rich, duration } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const may = useMay('application:deploy')
  const preview = useRollbackPreview(app, release.number)
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const name = `r${release.number}`
  const start = async () => {
    if (busy || !may || !preview.data) return
    setBusy(true)
    setProblem(undefined)
    try {
      const operation = await rollback(place, app, release.number)
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
      setBusy(false)
    }
  }
  useKeys({ 'ctrl+enter': () => void start(), escape: onClose })
  return (
    <aside
      aria-label={t('release.rollbackTo', { release: name })}
      className="flex shrink-0 flex-col border-l bg-surface max-lg:order-first max-lg:border-b lg:w-[318px]"
    >
      <div className="p-4 pb-3">
        <h2 className="flex items-center gap-2 text-lg">
          <Undo2 size={17} aria-hidden className="text-accent-fg" />
          {t('release.rollbackTo', { release: name })}
        </h2>
        <p className="mt-1 text-xs leading-[18px] text-fg-2">
          {rich('release.rollbackText', {
            next: <b className="num font-semibold text-fg">r{preview.data?.number ?? '…'}</b>,
            release: name,
          })}
        </p>
      </div>
      <div className="min-h-0 flex-1 overflow-auto px-4 pb-4">
        {preview.problem && !preview.data ? (
          <ProblemLine problem={preview.problem} />
        ) : !preview.data ? (
          <LoadingRows rows={3} />
        ) : (
          <>
            <Effects preview={preview.data} />
            <Notes preview={preview.data} />
          </>
        )}
      </div>
      <div className="border-t bg-sunken p-4">
        {preview.data?.usual_ms != null && (
          <div className="mb-2.5 flex items-center gap-1.5 text-xs text-fg-2">
            <Timer size={13} aria-hidden />
            {t('preview.usual', { time: duration(preview.data.usual_ms) })}
          </div>
        )}
        {problem && (
          <div className="mb-2.5">
            <ProblemLine problem={problem} />
          </div>
        )}
        <div className="flex gap-2">
          <Button
            variant="primary"
            className="flex-1"
            onClick={() => void start()}
            disabled={busy || !may || !preview.data}
          >
            {t('release.rollback')}
            <Kbd on>Ctrl ↵</Kbd>
          </Button>
          <Button onClick={onClose}>{t('common.cancel')}</Button>
        </div>
      </div>
    </aside>
  )
}
