/** One's own passkeys: add, name, remove. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowRight, Fingerprint, Pencil, Trash2 } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import {
  addPasskey,
  type Obstacle,
  obstacle,
  removePasskey,
  renamePasskey,
  usePasskeys,
} from '../api/passkeys'
import { Problem } from '../api/problem'
import { useSession } from '../api/queries'
import type { PasskeySummary } from '../api/types'
import { useI18n } from '../i18n'
import { Button, Field, Input } from '../ui/controls'
import { LoadingRows, ProblemLine } from '../ui/panels'
import { Frame, useForm } from './signin'

/** What this browser most likely is, to begin with; people write something better. */
function device(): string {
  const agent = navigator.userAgent
  const system = /iPhone|iPad|Android|Mac|Windows|Linux|CrOS/.exec(agent)?.[0]
  const browser = /Edg|Firefox|Chrome|Safari/.exec(agent)?.[0]?.replace('Edg', 'Edge')
  return [browser, system].filter(Boolean).join(', ')
}

export function WhyNot({ reason }: { reason: Obstacle }) {
  const { t } = useI18n()
  return (
    <p role="note" className="rounded-md bg-warn-soft px-3 py-2 text-xs leading-[18px] text-warn">
      {reason === 'insecure' ? t('passkey.insecure') : t('passkey.unsupported')}
    </p>
  )
}

export default function PasskeysPage() {
  const { t } = useI18n()
  const { first } = useSearch({ strict: false }) as { first?: boolean }
  const navigate = useNavigate()
  const session = useSession()
  const list = usePasskeys()
  const [name, setName] = useState(device)
  const [added, setAdded] = useState('')
  const reason = obstacle()
  const form = useForm(async () => {
    setAdded('')
    setAdded((await addPasskey(name.trim())).name)
  })
  const items = list.data?.items
  return (
    <Frame title={t('passkey.title')} text={first ? t('passkey.firstText') : t('passkey.text')}>
      <div className="mt-6 space-y-4">
        {reason ? (
          <WhyNot reason={reason} />
        ) : (
          <form onSubmit={form.submit} className="space-y-4">
            <Field label={t('passkey.name')} hint={t('passkey.nameHint')}>
              {(control) => (
                <Input
                  {...control}
                  maxLength={60}
                  required
                  autoComplete="off"
                  value={name}
                  onChange={(event) => setName(event.target.value)}
                  className="h-10"
                />
              )}
            </Field>
            {form.problem && <ProblemLine problem={form.problem} />}
            <Button
              type="submit"
              variant="primary"
              size="lg"
              className="w-full"
              disabled={form.busy || !name.trim()}
            >
              <Fingerprint size={16} aria-hidden />
              {t('passkey.add')}
            </Button>
          </form>
        )}
        <p role="status" className="text-xs text-ok empty:hidden">
          {added && t('passkey.added', { name: added })}
        </p>
        {list.problem && !items && <ProblemLine problem={list.problem} />}
        {!items && !list.problem && <LoadingRows rows={2} />}
        {items && items.length > 0 && (
          <section>
            <h2 className="text-sm font-semibold">{t('passkey.yours')}</h2>
            <ul className="mt-2 divide-y rounded-lg border bg-surface">
              {items.map((one) => (
                <Row
                  key={one.id}
                  passkey={one}
                  last={items.length === 1 && session.data?.password_unset === true}
                />
              ))}
            </ul>
          </section>
        )}
        {items?.length === 0 && <p className="text-xs text-fg-3">{t('passkey.none')}</p>}
        <Button variant="ghost" size="lg" onClick={() => void navigate({ to: '/', replace: true })}>
          {t('passkey.onward')}
          <ArrowRight size={15} aria-hidden />
        </Button>
      </div>
    </Frame>
  )
}

function Row({ passkey, last }: { passkey: PasskeySummary; last: boolean }) {
  const { t, ago } = useI18n()
  const [mode, setMode] = useState<'rename' | 'remove'>()
  const [name, setName] = useState(passkey.name)
  const [problem, setProblem] = useState<Problem>()
  const [busy, setBusy] = useState(false)
  const opener = useRef<HTMLButtonElement>(null)
  const was = useRef(mode)
  useEffect(() => {
    // The focus goes back to the row that was worked on.
    if (was.current && !mode) opener.current?.focus()
    was.current = mode
  }, [mode])
  const act = (what: () => Promise<void>) => {
    setBusy(true)
    setProblem(undefined)
    what()
      .then(() => setMode(undefined))
      .catch((thrown: unknown) => setProblem(Problem.of(thrown)))
      .finally(() => setBusy(false))
  }
  return (
    <li className="space-y-2 px-3 py-2">
      <div className="flex items-center gap-2">
        <Fingerprint size={15} aria-hidden className="shrink-0 text-fg-3" />
        <div className="min-w-0 flex-1">
          <div className="truncate text-sm font-medium">{passkey.name}</div>
          <div className="text-xs text-fg-3">
            {passkey.used_at
              ? t('passkey.used', { time: ago(passkey.used_at) })
              : t('passkey.never', { time: ago(passkey.created_at) })}
          </div>
        </div>
        <Button
          ref={opener}
          variant="ghost"
          square
          aria-label={t('passkey.rename', { name: passkey.name })}
          onClick={() => {
            setName(passkey.name)
            setMode('rename')
          }}
        >
          <Pencil size={14} aria-hidden />
        </Button>
        <Button
          variant="ghost"
          square
          aria-label={t('passkey.remove', { name: passkey.name })}
          onClick={() => setMode('remove')}
        >
          <Trash2 size={14} aria-hidden />
        </Button>
      </div>
      {mode === 'rename' && (
        <form
          className="flex gap-2"
          onSubmit={(event) => {
            event.preventDefault()
            act(() => renamePasskey(passkey.id, name.trim()))
          }}
        >
          <Input
            aria-label={t('passkey.name')}
            autoFocus
            maxLength={60}
            value={name}
            onChange={(event) => setName(event.target.value)}
            onKeyDown={(event) => event.key === 'Escape' && setMode(undefined)}
          />
          <Button type="submit" disabled={busy || !name.trim()}>
            {t('common.save')}
          </Button>
        </form>
      )}
      {mode === 'remove' && (
        <div>
          <p className="text-xs leading-[18px] text-fg-2">
            {last ? t('passkey.removeLast') : t('passkey.removeText')}
          </p>
          <div className="mt-2 flex gap-2">
            <Button
              variant="danger"
              size="sm"
              autoFocus
              disabled={busy}
              onClick={() => act(() => removePasskey(passkey.id))}
            >
              {t('common.remove')}
            </Button>
            <Button variant="ghost" size="sm" onClick={() => setMode(undefined)}>
              {t('confirm.keep')}
            </Button>
          </div>
        </div>
      )}
      {problem && <ProblemLine problem={problem} />}
    </li>
  )
}
