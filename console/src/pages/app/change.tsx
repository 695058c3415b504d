/** Asks what a change would do, shows it, and makes it when told to. Every change of settings goes through here. */
import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { Problem } from '../../api/problem'
import { patchComponent, previewPatch } from '../../api/queries'
import type { ChangePreview, ComponentPatch } from '../../api/types'
import { useI18n } from '../../i18n'
import { useKeys } from '../../shell/keys'
import { usePlace } from '../../shell/place'
import { Button, Kbd } from '../../ui/controls'
import { Dialog } from '../../ui/dialog'
import { ProblemLine } from '../../ui/panels'
import { useApp } from './context'
import { PreviewBody } from './preview'

export function useChange(patch: ComponentPatch | undefined, onDone: () => void) {
  const { app, component, etag, refresh } = useApp()
  const { t } = useI18n()
  const place = usePlace()
  const navigate = useNavigate()
  const [preview, setPreview] = useState<ChangePreview>()
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const dirty = patch !== undefined

  const ask = async () => {
    if (!patch || !component || busy) return
    setBusy(true)
    setProblem(undefined)
    try {
      setPreview(await previewPatch(place, app.name, component.name, patch))
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  const apply = async () => {
    if (!patch || !component || busy) return
    setBusy(true)
    setProblem(undefined)
    try {
      const operation = await patchComponent(place, app.name, component.name, patch, etag)
      setPreview(undefined)
      onDone()
      await navigate({ to: '/t/$team/e/$env/operations/$id', params: { ...place, id: operation.id } })
    } catch (thrown) {
      const wrong = Problem.of(thrown)
      setProblem(wrong)
      // Somebody else was faster: show what is there now. What was typed stays.
      if (wrong.status === 412) refresh()
    } finally {
      setBusy(false)
    }
  }
  useKeys({ 'ctrl+enter': () => void (preview ? apply() : ask()), 'ctrl+s': () => void ask() })

  const bar = dirty ? (
    <div className="sticky bottom-0 z-10 flex flex-wrap items-center gap-2 border-t bg-sunken px-4 py-3">
      <span className="text-xs text-fg-2">{t('change.pending')}</span>
      {problem && !preview && (
        <div className="order-last basis-full">
          <ProblemLine problem={problem} />
        </div>
      )}
      <Button size="sm" variant="ghost" onClick={onDone} className="ml-auto">
        {t('change.discard')}
      </Button>
      <Button size="sm" variant="primary" onClick={() => void ask()} disabled={busy}>
        {t('change.review')}
        <Kbd on>Ctrl ↵</Kbd>
      </Button>
    </div>
  ) : null
  const dialog = (
    <Dialog
      open={preview !== undefined}
      onClose={() => setPreview(undefined)}
      title={t('change.title', { release: `r${preview?.number ?? ''}` })}
      width="md:w-[600px]"
    >
      {preview && <PreviewBody preview={preview} />}
      {problem && (
        <div className="mt-3">
          <ProblemLine problem={problem} />
        </div>
      )}
      <div className="mt-4 flex gap-2">
        <Button variant="primary" onClick={() => void apply()} disabled={busy}>
          {t('change.apply')}
          <Kbd on>Ctrl ↵</Kbd>
        </Button>
        <Button onClick={() => setPreview(undefined)}>{t('change.back')}</Button>
      </div>
    </Dialog>
  )
  return { bar, dialog, busy }
}
