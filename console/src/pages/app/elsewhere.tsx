/** From here to another environment: a copy with the table of what differs, a promotion with what it changes there. */
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useId, useState } from 'react'
import {
  copyApplication,
  previewCopy,
  previewPromotion,
  promoteApplication,
  useEnvironments,
} from '../../api/environments'
import { Problem } from '../../api/problem'
import type { CopyData, CopyPreview, PromotePreview } from '../../api/types'
import { type Key, useI18n } from '../../i18n'
import { usePlace } from '../../shell/place'
import { Button, Field, Input, Select, Switch } from '../../ui/controls'
import { Dialog } from '../../ui/dialog'
import { LoadingRows, ProblemLine } from '../../ui/panels'

const COPY_DATA: CopyData[] = ['none', 'volumes', 'all']

/** The other environments of the team, and the one that is chosen. */
function useOther() {
  const place = usePlace()
  const environments = useEnvironments()
  const others = (environments.data?.items ?? []).filter((one) => one.name !== place.env)
  const [chosen, setChosen] = useState<string>()
  const to = others.some((one) => one.name === chosen) ? chosen : others[0]?.name
  return { others, to, choose: setChosen }
}

function To({ others, to, choose }: ReturnType<typeof useOther>) {
  const { t } = useI18n()
  return (
    <Field label={t('copy.to')}>
      {(control) => (
        <Select {...control} value={to} onChange={(event) => choose(event.target.value)} className="w-full">
          {others.map((one) => (
            <option key={one.name}>{one.name}</option>
          ))}
        </Select>
      )}
    </Field>
  )
}

export function CopyDialog({ app, open, onClose }: { app: string; open: boolean; onClose: () => void }) {
  const { t, known } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const other = useOther()
  const { to } = other
  const id = useId()
  const [name, setName] = useState(app)
  const [along, setAlong] = useState(false)
  const [data, setData] = useState<CopyData>('none')
  const [secrets, setSecrets] = useState<Record<string, string>>({})
  const [preview, setPreview] = useState<CopyPreview>()
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    if (!open || !to) return
    let current = true
    const timer = setTimeout(() => {
      previewCopy(place, app, { to, name, copy_secrets: along, data }).then(
        (made) => {
          if (!current) return
          setPreview(made)
          setProblem(undefined)
        },
        (thrown: unknown) => {
          if (!current) return
          setPreview(undefined)
          setProblem(Problem.of(thrown))
        },
      )
    }, 250)
    return () => {
      current = false
      clearTimeout(timer)
    }
  }, [open, to, name, along, data, app, place])
  const make = async () => {
    if (!to) return
    setBusy(true)
    try {
      const given = Object.fromEntries(
        (preview?.missing ?? []).map((secret) => [secret, secrets[secret] ?? '']),
      )
      const operation = await copyApplication(place, app, {
        to,
        name,
        copy_secrets: along,
        data,
        secrets: given,
      })
      onClose()
      await navigate({
        to: '/t/$team/e/$env/operations/$id',
        params: { team: place.team, env: to, id: operation.id },
      })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  const word = (value: string) => known(`copy.value.${value}`) ?? value
  return (
    <Dialog open={open} onClose={onClose} title={t('copy.title', { app })} width="md:w-[640px]">
      {!to ? (
        <p className="text-sm text-fg-2">{t('copy.none')}</p>
      ) : (
        <div className="space-y-3">
          <div className="grid gap-3 md:grid-cols-2">
            <To {...other} />
            <Field label={t('copy.as')}>
              {(control) => (
                <Input {...control} value={name} onChange={(event) => setName(event.target.value)} />
              )}
            </Field>
          </div>
          <Field label={t('copy.data')} hint={t(`copy.dataHint.${data}`)}>
            {(control) => (
              <Select
                {...control}
                value={data}
                onChange={(event) => setData(event.target.value as CopyData)}
                className="w-full"
              >
                {COPY_DATA.map((one) => (
                  <option key={one} value={one}>
                    {t(`copy.data.${one}`)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <Switch
            checked={along}
            onChange={setAlong}
            label={t('copy.secrets')}
            hint={t('copy.secretsHint')}
          />
          {preview ? (
            <table className="w-full text-xs">
              <caption className="eyebrow pb-1 text-left">{t('copy.differs')}</caption>
              <thead>
                <tr className="border-b text-left text-fg-3">
                  <th scope="col" colSpan={2} className="py-1 font-medium" />
                  <th scope="col" className="py-1 font-medium">
                    {t('copy.original')}
                  </th>
                  <th scope="col" className="py-1 font-medium">
                    {t('copy.copy')}
                  </th>
                </tr>
              </thead>
              <tbody>
                {preview.rows.map((row) => (
                  <tr key={`${row.what} ${row.about}`} className="border-b border-line align-top">
                    <td className="py-1 pr-2 text-fg-3">{t(`copy.what.${row.what}` as Key)}</td>
                    <th scope="row" className="py-1 pr-2 text-left font-medium">
                      {row.about}
                    </th>
                    <td className="break-all py-1 pr-2">{word(row.before)}</td>
                    <td className={row.after === 'missing' ? 'py-1 text-bad' : 'break-all py-1'}>
                      {word(row.after)}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          ) : (
            !problem && <LoadingRows rows={3} />
          )}
          {preview?.notes.map((note) => (
            <p key={note} className="rounded-md bg-warn-soft px-3 py-2 text-xs text-warn">
              {note}
            </p>
          ))}
          {!!preview?.missing.length && (
            <div className="space-y-2">
              <h3 className="eyebrow">{t('copy.give')}</h3>
              {preview.missing.map((secret) => (
                <label key={secret} htmlFor={`${id}-${secret}`} className="block text-xs">
                  <span className="mono">{secret}</span>
                  <Input
                    id={`${id}-${secret}`}
                    type="password"
                    autoComplete="off"
                    value={secrets[secret] ?? ''}
                    onChange={(event) => setSecrets((old) => ({ ...old, [secret]: event.target.value }))}
                    className="mt-1"
                  />
                </label>
              ))}
            </div>
          )}
          {problem && <ProblemLine problem={problem} />}
          <Button
            variant="primary"
            onClick={() => void make()}
            disabled={busy || !preview || preview.missing.some((secret) => !secrets[secret])}
          >
            {t('copy.make')}
          </Button>
        </div>
      )}
    </Dialog>
  )
}

export function PromoteDialog({ app, open, onClose }: { app: string; open: boolean; onClose: () => void }) {
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const other = useOther()
  const { to } = other
  const [only, setOnly] = useState(false)
  const [preview, setPreview] = useState<PromotePreview>()
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  useEffect(() => {
    if (!open || !to) return
    let current = true
    setPreview(undefined)
    previewPromotion(place, app, { to, images_only: only }).then(
      (made) => {
        if (!current) return
        setPreview(made)
        setProblem(undefined)
      },
      (thrown: unknown) => current && setProblem(Problem.of(thrown)),
    )
    return () => {
      current = false
    }
  }, [open, to, only, app, place])
  const promote = async () => {
    if (!to) return
    setBusy(true)
    try {
      // What is confirmed is what was read here.
      const operation = await promoteApplication(place, app, { to, images_only: only, confirm: true })
      onClose()
      await navigate({
        to: '/t/$team/e/$env/operations/$id',
        params: { team: place.team, env: to, id: operation.id },
      })
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('promote.title', { app })} width="md:w-[640px]">
      {!to ? (
        <p className="text-sm text-fg-2">{t('copy.none')}</p>
      ) : (
        <div className="space-y-3">
          <To {...other} />
          <Switch
            checked={only}
            onChange={setOnly}
            label={t('promote.imagesOnly')}
            hint={t('promote.imagesOnlyHint')}
          />
          {preview ? (
            <>
              <p className="text-sm text-fg-2">
                {t('promote.text', { release: `r${preview.from_release}`, env: place.env })}
              </p>
              {preview.diff.length === 0 && <p className="text-sm">{t('promote.same')}</p>}
              {preview.beyond_images.length > 0 && (
                <p className="text-sm font-medium text-warn">{t('promote.more')}</p>
              )}
              <ul className="space-y-1 text-xs">
                {preview.diff.flatMap((component) =>
                  component.rows.map((row) => (
                    <li key={`${component.component} ${row.what}`} className="break-all">
                      <span className="font-medium">{component.component}</span>{' '}
                      <span className="text-fg-3">{row.what}</span> {row.before ?? ''} → {row.after ?? ''}
                    </li>
                  )),
                )}
              </ul>
            </>
          ) : (
            !problem && <LoadingRows rows={3} />
          )}
          {problem && <ProblemLine problem={problem} />}
          <Button variant="primary" onClick={() => void promote()} disabled={busy || !preview}>
            {t('promote.do')}
          </Button>
        </div>
      )}
    </Dialog>
  )
}
