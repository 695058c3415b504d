/** Dialogs that give the focus back, and the one that asks for a name before something goes for good. */
import { AlertDialog } from '@base-ui/react/alert-dialog'
import { Dialog as BaseDialog } from '@base-ui/react/dialog'
import { X } from 'lucide-react'
import { type ReactNode, useEffect, useId, useRef, useState } from 'react'
import type { Problem } from '../api/problem'
import { useI18n } from '../i18n'
import { Button, Input, Kbd } from './controls'
import { cx } from './cx'
import { ProblemLine } from './panels'

const backdrop = 'fixed inset-0 z-40 bg-[oklch(0.15_0.02_250/.42)]'
const popup =
  'fixed inset-x-3 bottom-3 z-50 max-h-[calc(100dvh-24px)] overflow-auto rounded-2xl border border-line-2 bg-raised shadow-3 outline-none md:inset-x-auto md:bottom-auto md:left-1/2 md:top-[12vh] md:max-h-[80vh] md:-translate-x-1/2'

/** Remembers what had the focus when a dialog opened by a key, which has no trigger to go back to. */
function useReturn(open: boolean) {
  const back = useRef<HTMLElement | null>(null)
  const was = useRef(false)
  if (open && !was.current) back.current = document.activeElement as HTMLElement | null
  was.current = open
  return () => (back.current?.isConnected ? back.current : true)
}

export function Dialog({
  open,
  onClose,
  title,
  children,
  width = 'md:w-[520px]',
}: {
  open: boolean
  onClose: () => void
  title: ReactNode
  children: ReactNode
  width?: string
}) {
  const { t } = useI18n()
  const finalFocus = useReturn(open)
  return (
    <BaseDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <BaseDialog.Portal>
        <BaseDialog.Backdrop className={backdrop} />
        <BaseDialog.Popup finalFocus={finalFocus} className={cx(popup, width)}>
          <div className="flex items-center gap-2 px-5 pb-2 pt-4">
            <BaseDialog.Title className="min-w-0 text-lg font-semibold">{title}</BaseDialog.Title>
            <BaseDialog.Close
              aria-label={t('common.close')}
              className="touch ml-auto grid h-7 w-7 place-items-center rounded-md text-fg-3 hover:bg-hover"
            >
              <X size={15} aria-hidden />
            </BaseDialog.Close>
          </div>
          <div className="px-5 pb-5">{children}</div>
        </BaseDialog.Popup>
      </BaseDialog.Portal>
    </BaseDialog.Root>
  )
}

/** Where something cannot be undone: what goes, what stays, and the name typed by hand. */
export function ConfirmByName({
  open,
  onClose,
  onConfirm,
  name,
  title,
  action,
  children,
}: {
  open: boolean
  onClose: () => void
  onConfirm: () => Promise<void>
  name: string
  title: string
  action: string
  children: ReactNode
}) {
  const { t, rich } = useI18n()
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const field = useRef<HTMLInputElement>(null)
  const finalFocus = useReturn(open)
  const id = useId()
  useEffect(() => {
    if (!open) return
    setTyped('')
    setProblem(undefined)
  }, [open])
  const confirm = async () => {
    setBusy(true)
    setProblem(undefined)
    try {
      await onConfirm()
    } catch (thrown) {
      setProblem(thrown as Problem)
    } finally {
      setBusy(false)
    }
  }
  return (
    <AlertDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className={backdrop} />
        <AlertDialog.Popup initialFocus={field} finalFocus={finalFocus} className={cx(popup, 'md:w-[480px]')}>
          <form
            className="p-5"
            onSubmit={(event) => {
              event.preventDefault()
              if (typed === name && !busy) void confirm()
            }}
          >
            <AlertDialog.Title className="text-lg font-semibold">{title}</AlertDialog.Title>
            <AlertDialog.Description render={<div />} className="mt-1.5 text-sm text-fg-2">
              {children}
            </AlertDialog.Description>
            <label htmlFor={id} className="mt-4 block text-xs font-medium">
              {rich('confirm.type', { name: <span className="mono text-bad">{name}</span> })}
            </label>
            <Input
              ref={field}
              id={id}
              mono
              autoComplete="off"
              value={typed}
              onChange={(event) => setTyped(event.target.value)}
              className="mt-1"
            />
            {problem && (
              <div className="mt-3">
                <ProblemLine problem={problem} />
              </div>
            )}
            <div className="mt-4 flex gap-2">
              <Button type="submit" variant="danger" disabled={typed !== name || busy}>
                {action}
              </Button>
              <Button variant="ghost" onClick={onClose}>
                {t('confirm.keep')}
                <Kbd>Esc</Kbd>
              </Button>
            </div>
          </form>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  )
}
