/** Images in the team's registry: what is there, what it takes of the quota, what can go. */
import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { ChevronRight, Container, Recycle, SlidersHorizontal, Tag as TagIcon, Trash2 } from 'lucide-react'
import { type FormEvent, useState } from 'react'
import { collectImages, deleteImage, setImageQuota, useImages, useImageTags } from '../api/images'
import { Problem } from '../api/problem'
import { useMay } from '../api/queries'
import type { ImageList, ImageTag } from '../api/types'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Top } from '../shell/top'
import { Card, Page } from '../ui/card'
import { Button, CopyButton, Field, Input, Switch } from '../ui/controls'
import { ConfirmByName, Dialog } from '../ui/dialog'
import { Denied, Empty, LoadingRows, ProblemLine, ProblemPanel } from '../ui/panels'
import { toast } from '../ui/toast'

const gib = 1 << 30

export default function Images() {
  const { t, bytes } = useI18n()
  const place = usePlace()
  const may = useMay('image:read')
  const mayManage = useMay('image:manage')
  const images = useImages()
  const { repository } = useSearch({ strict: false }) as { repository?: string }
  const [asked, setAsked] = useState<'quota' | 'collect'>()
  const size = (n: number) => {
    const { value, unit } = bytes(n)
    return `${value} ${unit}`
  }
  const list = images.data
  return (
    <>
      <Top
        crumbs={[
          place.team,
          repository ? (
            <Link key="all" to="/t/$team/e/$env/images" params={place} className="hover:text-fg">
              {t('nav.images')}
            </Link>
          ) : (
            t('nav.images')
          ),
          ...(repository ? [repository] : []),
        ]}
        right={
          <>
            <Button onClick={() => setAsked('quota')} disabled={!mayManage || !list}>
              <SlidersHorizontal size={14} aria-hidden />
              {t('images.quota')}
            </Button>
            <Button onClick={() => setAsked('collect')} disabled={!mayManage || !list?.host}>
              <Recycle size={14} aria-hidden />
              <span className="max-md:sr-only">{t('images.collect')}</span>
            </Button>
          </>
        }
      />
      <Page width="max-w-[1240px]">
        <h1 className="sr-only">{repository ?? t('nav.images')}</h1>
        {!may ? (
          <Denied permission="image:read" />
        ) : !list ? (
          images.problem ? (
            <ProblemPanel problem={images.problem} onRetry={images.refresh} />
          ) : (
            <div className="card">
              <LoadingRows rows={3} />
            </div>
          )
        ) : repository ? (
          <Tags repository={repository} host={list.host ?? undefined} size={size} />
        ) : (
          <>
            <Usage list={list} size={size} />
            <Repositories list={list} size={size} />
          </>
        )}
      </Page>
      {asked === 'quota' && list && <QuotaDialog list={list} onClose={() => setAsked(undefined)} />}
      <CollectDialog open={asked === 'collect'} size={size} onClose={() => setAsked(undefined)} />
    </>
  )
}

type Size = (n: number) => string

function Usage({ list, size }: { list: ImageList; size: Size }) {
  const { t } = useI18n()
  const share = list.quota ? Math.min(1, list.used / list.quota) : undefined
  const text = list.quota
    ? t('images.usedOf', { used: size(list.used), quota: size(list.quota) })
    : t('images.usedFree', { used: size(list.used) })
  return (
    <Card title={t('images.registry')} hint={t('images.text')}>
      <div className="flex flex-wrap items-center gap-x-6 gap-y-2 text-sm">
        {list.host ? (
          <span className="flex min-w-0 items-center gap-1.5">
            <span className="mono min-w-0 break-all">{list.host}</span>
            <CopyButton text={list.host} />
          </span>
        ) : (
          <p className="text-fg-2">{t('images.notServed')}</p>
        )}
        <div className="min-w-56 flex-1">
          <div className="num text-xs text-fg-2">{text}</div>
          {share !== undefined && (
            // biome-ignore lint/a11y/useSemanticElements: a meter of the platform cannot be dressed.
            <div
              role="meter"
              aria-label={t('images.quota')}
              aria-valuemin={0}
              aria-valuemax={100}
              aria-valuenow={Math.round(share * 100)}
              className="mt-1 h-1.5 overflow-hidden rounded-full bg-mute-soft"
            >
              <div
                className={
                  share > 0.9 ? 'h-full bg-bad' : share > 0.75 ? 'h-full bg-warn' : 'h-full bg-accent'
                }
                style={{ width: `${Math.max(1, share * 100)}%` }}
              />
            </div>
          )}
        </div>
      </div>
    </Card>
  )
}

function Repositories({ list, size }: { list: ImageList; size: Size }) {
  const { t, ago, when } = useI18n()
  const place = usePlace()
  return (
    <Card title={t('images.repositories')} pad={false}>
      {list.items.length === 0 ? (
        <Empty
          icon={Container}
          title={t('images.empty')}
          text={
            list.host ? t('images.emptyText', { host: list.host, team: place.team }) : t('images.notServed')
          }
        />
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-sm">
            <thead>
              <tr className="table-head border-y bg-sunken">
                <th className="!pl-4">{t('images.repository')}</th>
                <th className="!text-right">{t('images.tags')}</th>
                <th className="!text-right max-md:hidden">{t('images.manifests')}</th>
                <th className="!text-right">{t('images.size')}</th>
                <th className="!pr-4 max-md:hidden">{t('images.pushed')}</th>
              </tr>
            </thead>
            <tbody>
              {list.items.map((one) => (
                <tr key={one.name} className="table-row border-t first:border-t-0">
                  <td className="!pl-4">
                    <Link
                      to="/t/$team/e/$env/images"
                      params={place}
                      search={{ repository: one.name }}
                      className="touch inline-flex items-center gap-1 break-all font-medium hover:underline"
                    >
                      {one.name}
                      <ChevronRight size={13} aria-hidden className="shrink-0 text-fg-3" />
                    </Link>
                  </td>
                  <td className="num !text-right">{one.tags}</td>
                  <td className="num !text-right max-md:hidden">{one.manifests}</td>
                  <td className="num whitespace-nowrap !text-right">{size(one.bytes)}</td>
                  <td className="!pr-4 text-xs text-fg-2 max-md:hidden">
                    {one.pushed_at && <span title={when(one.pushed_at)}>{ago(one.pushed_at)}</span>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

function Tags({ repository, host, size }: { repository: string; host?: string; size: Size }) {
  const { t, ago, when } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const mayWrite = useMay('image:write')
  const tags = useImageTags(repository)
  const [doomed, setDoomed] = useState<ImageTag>()
  const [all, setAll] = useState(false)
  const items = tags.data?.items ?? []
  const twins = doomed ? items.filter((one) => one.digest === doomed.digest).length : 0
  const remove = async () => {
    if (!doomed) return
    await deleteImage(place.team, repository, all ? doomed.digest : doomed.name)
    toast('ok', t('images.deleted', { name: `${repository}:${doomed.name}` }))
    setDoomed(undefined)
    if (items.length <= (all ? twins : 1))
      await navigate({ to: '/t/$team/e/$env/images', params: place, search: {} })
  }
  return (
    <Card title={<span className="break-all">{repository}</span>} hint={t('images.tagsHint')} pad={false}>
      {tags.data ? (
        items.length === 0 ? (
          <Empty icon={TagIcon} title={t('images.noTags')} text={t('images.noTagsText')} />
        ) : (
          <div className="overflow-x-auto">
            <table className="w-full text-sm">
              <thead>
                <tr className="table-head border-y bg-sunken">
                  <th className="!pl-4">{t('images.tag')}</th>
                  <th className="max-md:hidden">{t('images.digest')}</th>
                  <th className="!text-right">{t('images.size')}</th>
                  <th className="max-md:hidden">{t('images.changed')}</th>
                  <th className="!pr-4">
                    <span className="sr-only">{t('volume.actions')}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {items.map((one) => (
                  <tr key={one.name} className="table-row border-t first:border-t-0">
                    <td className="!pl-4 break-all font-medium">{one.name}</td>
                    <td className="mono text-xs text-fg-2 max-md:hidden">{one.digest.slice(0, 19)}…</td>
                    <td className="num whitespace-nowrap !text-right">{size(one.bytes)}</td>
                    <td className="text-xs text-fg-2 max-md:hidden">
                      <span title={when(one.updated_at)}>{ago(one.updated_at)}</span>
                    </td>
                    <td className="!pr-4">
                      <div className="flex justify-end gap-1">
                        {host && (
                          <CopyButton
                            text={`${host}/${repository}@${one.digest}`}
                            label={t('images.copy', { name: one.name })}
                          />
                        )}
                        <Button
                          size="sm"
                          variant="ghost"
                          square
                          disabled={!mayWrite}
                          aria-label={t('images.delete', { name: one.name })}
                          onClick={() => {
                            setAll(false)
                            setDoomed(one)
                          }}
                        >
                          <Trash2 size={14} aria-hidden />
                        </Button>
                      </div>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )
      ) : tags.problem ? (
        <ProblemPanel bare problem={tags.problem} onRetry={tags.refresh} />
      ) : (
        <LoadingRows rows={3} />
      )}
      <ConfirmByName
        open={doomed !== undefined}
        onClose={() => setDoomed(undefined)}
        onConfirm={remove}
        name={doomed?.name ?? ''}
        title={t('images.deleteTitle', { name: doomed?.name ?? '' })}
        action={t('images.deleteDo')}
      >
        <p>{t('images.deleteText')}</p>
        {twins > 1 && (
          <div className="mt-3">
            <Switch
              checked={all}
              onChange={setAll}
              label={t('images.deleteAll')}
              hint={t('images.deleteAllHint', { n: twins })}
            />
          </div>
        )}
      </ConfirmByName>
    </Card>
  )
}

function QuotaDialog({ list, onClose }: { list: ImageList; onClose: () => void }) {
  const { t } = useI18n()
  const place = usePlace()
  const [value, setValue] = useState(list.quota ? String(Math.round((list.quota / gib) * 100) / 100) : '')
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const amount = Number(value.replace(',', '.'))
  const wrong = value.trim() !== '' && !(amount > 0 && amount < 8_000_000)
  const save = async (event: FormEvent) => {
    event.preventDefault()
    if (wrong) return
    setBusy(true)
    setProblem(undefined)
    try {
      await setImageQuota(place.team, value.trim() ? Math.round(amount * gib) : undefined)
      toast('ok', t('images.quotaSet'))
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
      setBusy(false)
    }
  }
  return (
    <Dialog open onClose={onClose} title={t('images.quotaTitle', { team: place.team })}>
      <form onSubmit={(event) => void save(event)} className="space-y-4">
        <Field
          label={t('images.quotaGib')}
          hint={t('images.quotaHint')}
          error={wrong ? t('images.quotaWrong') : undefined}
        >
          {(control) => (
            <Input
              {...control}
              inputMode="decimal"
              value={value}
              onChange={(event) => setValue(event.target.value)}
              className="num max-w-40"
            />
          )}
        </Field>
        {problem && <ProblemLine problem={problem} />}
        <Button type="submit" variant="primary" disabled={busy || wrong}>
          {t('common.save')}
        </Button>
      </form>
    </Dialog>
  )
}

function CollectDialog({ open, size, onClose }: { open: boolean; size: Size; onClose: () => void }) {
  const { t } = useI18n()
  const place = usePlace()
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const collect = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      const done = await collectImages(place.team)
      toast(
        'ok',
        t('images.collected', { size: size(done.bytes) }),
        t('images.collectedMore', { tags: done.tags, manifests: done.manifests, files: done.files }),
      )
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('images.collect')}>
      <p className="text-sm text-fg-2">{t('images.collectText')}</p>
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex gap-2">
        <Button variant="primary" disabled={busy} onClick={() => void collect()}>
          {busy ? t('images.collecting') : t('images.collectDo')}
        </Button>
        <Button onClick={onClose}>{t('common.close')}</Button>
      </div>
    </Dialog>
  )
}
