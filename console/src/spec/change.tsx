/**
 * A change of a whole specification: previewed, then made unless somebody else was faster. Then their change is shown beside
 * mine where both touched the same, and everything else is put together.
 */
import { useState } from 'react'
import { Problem } from '../api/problem'
import { currentSpec, editSpec, previewSpec } from '../api/queries'
import type { ChangePreview, Operation, Spec } from '../api/types'
import { useI18n } from '../i18n'
import { PreviewBody } from '../pages/app/preview'
import { useKeys } from '../shell/keys'
import { usePlace } from '../shell/place'
import { Button, Kbd, Segmented } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { ProblemLine } from '../ui/panels'
import { type Conflict, merge, put } from './merge'

export interface Start {
  /** What the change began with, and its tag. */
  base: Spec
  etag: string | undefined
}

interface Asked extends Start {
  spec: Spec
  title: string
  secrets: Record<string, string>
}

export function useSpecChange(app: string, onDone: (operation: Operation) => void) {
  const { t } = useI18n()
  const place = usePlace()
  const [asked, setAsked] = useState<Asked>()
  const [preview, setPreview] = useState<ChangePreview>()
  const [conflicts, setConflicts] = useState<Conflict[]>([])
  const [theirs, setTheirs] = useState<Record<number, boolean>>({})
  const [merged, setMerged] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)

  const look = async (one: Asked) => {
    setBusy(true)
    setProblem(undefined)
    setAsked(one)
    setPreview(undefined)
    try {
      setPreview(await previewSpec(place, app, one.spec, one.secrets))
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  const ask = (start: Start, spec: Spec, title: string, secrets: Record<string, string> = {}) => {
    setMerged(false)
    setConflicts([])
    return look({ ...start, spec, title, secrets })
  }
  const close = () => {
    setAsked(undefined)
    setPreview(undefined)
    setConflicts([])
    setProblem(undefined)
  }
  const apply = async () => {
    if (!asked || !preview || busy) return
    setBusy(true)
    setProblem(undefined)
    try {
      const operation = await editSpec(place, app, asked.spec, asked.etag, asked.secrets)
      close()
      onDone(operation)
    } catch (thrown) {
      const wrong = Problem.of(thrown)
      if (wrong.status === 412) await together(asked)
      else setProblem(wrong)
    } finally {
      setBusy(false)
    }
  }
  /** Somebody was faster: on top of what is there now. */
  const together = async (mine: Asked) => {
    const now = await currentSpec(place, app)
    const both = merge(mine.base, mine.spec, now.data.spec)
    setMerged(true)
    setConflicts(both.conflicts)
    setTheirs({})
    await look({ ...mine, base: now.data.spec, etag: now.etag, spec: both.merged })
  }
  const choose = (index: number, conflict: Conflict, their: boolean) => {
    if (!asked) return
    setTheirs({ ...theirs, [index]: their })
    void look({ ...asked, spec: put(asked.spec, conflict.at, their ? conflict.theirs : conflict.mine) })
  }
  useKeys({ 'ctrl+enter': () => void apply() })

  const dialog = (
    <Dialog open={asked !== undefined} onClose={close} title={asked?.title ?? ''} width="md:w-[640px]">
      {merged && (
        <div className="mb-3 rounded-lg bg-warn-soft px-3 py-2 text-xs text-warn">
          <b className="font-semibold">{t('spec.conflict')}</b>{' '}
          {conflicts.length ? t('spec.conflictChoose', { n: conflicts.length }) : t('spec.conflictNone')}
        </div>
      )}
      {conflicts.length > 0 && (
        <ul className="mb-3 divide-y divide-line overflow-hidden rounded-lg border">
          {conflicts.map((conflict, index) => (
            <li key={conflict.at.join('.')} className="px-3 py-2 text-xs">
              <div className="mb-1.5 flex flex-wrap items-center gap-2">
                <span className="mono min-w-0 break-all font-medium">{conflict.at.join('.')}</span>
                <span className="ml-auto">
                  <Segmented
                    label={t('spec.whose', { at: conflict.at.join('.') })}
                    value={theirs[index] ? 'theirs' : 'mine'}
                    items={[
                      ['mine', t('spec.mine')],
                      ['theirs', t('spec.theirs')],
                    ]}
                    onChange={(whose) => choose(index, conflict, whose === 'theirs')}
                  />
                </span>
              </div>
              <div className="grid grid-cols-2 gap-2">
                {(
                  [
                    ['spec.mine', conflict.mine],
                    ['spec.theirs', conflict.theirs],
                  ] as const
                ).map(([name, value]) => (
                  <div key={name} className="min-w-0">
                    <span className="text-fg-3">{t(name)}</span>
                    <pre className="mono max-h-32 overflow-auto whitespace-pre-wrap break-all">
                      {shown(value)}
                    </pre>
                  </div>
                ))}
              </div>
            </li>
          ))}
        </ul>
      )}
      {preview ? (
        <PreviewBody preview={preview} byComponent />
      ) : (
        !problem && (
          <p role="status" className="text-sm text-fg-2">
            {t('spec.previewing')}
          </p>
        )
      )}
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex gap-2">
        <Button variant="primary" onClick={() => void apply()} disabled={busy || !preview}>
          {t('change.apply')}
          <Kbd on>Ctrl ↵</Kbd>
        </Button>
        <Button onClick={close}>{t('change.back')}</Button>
      </div>
    </Dialog>
  )
  return { ask, dialog, busy }
}

const shown = (value: unknown) =>
  value === undefined ? '—' : typeof value === 'string' ? value : JSON.stringify(value, null, 1)
