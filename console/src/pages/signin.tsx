/** Sign-in: by the one-time link that the machine printed, by password, or by passkey. */
import { useNavigate, useSearch } from '@tanstack/react-router'
import { ArrowRight, Fingerprint, KeyRound, TerminalSquare } from 'lucide-react'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { obstacle, signInByPasskey } from '../api/passkeys'
import { Problem } from '../api/problem'
import { redeemLink, setPassword, signIn, useSession } from '../api/queries'
import { setLanguage, useI18n } from '../i18n'
import { Button, CopyButton, Field, Input, Mark } from '../ui/controls'
import { ProblemLine } from '../ui/panels'

export function Frame({ title, text, children }: { title: string; text: ReactNode; children: ReactNode }) {
  const { t, language } = useI18n()
  useEffect(() => {
    document.title = `${title} · Pluvio`
  }, [title])
  return (
    <div className="flex min-h-full flex-col">
      <main className="mx-auto flex w-full max-w-[400px] flex-1 flex-col justify-center px-5 py-10">
        <Mark size={40} />
        <h1 className="mt-5 text-2xl tracking-[-0.02em]">{title}</h1>
        <p className="mt-1.5 text-base text-fg-2">{text}</p>
        {children}
      </main>
      <footer className="flex justify-center gap-4 pb-6 text-xs">
        <button
          type="button"
          lang={language === 'zh' ? 'en' : 'zh-CN'}
          className="touch px-2 text-fg-3 underline underline-offset-2 hover:text-fg"
          onClick={() => void setLanguage(language === 'zh' ? 'en' : 'zh')}
        >
          {language === 'zh' ? 'English' : '中文'}
        </button>
        <span className="self-center text-fg-3">{t('signin.local')}</span>
      </footer>
    </div>
  )
}

/** Runs a form once at a time and keeps what went wrong. */
export function useForm(act: () => Promise<void>) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const submit = (event?: FormEvent) => {
    event?.preventDefault()
    if (busy) return
    setBusy(true)
    setProblem(undefined)
    act()
      .catch((thrown: unknown) => setProblem(Problem.of(thrown)))
      .finally(() => setBusy(false))
  }
  return { busy, problem, submit, setProblem }
}

export default function SignIn() {
  const { t } = useI18n()
  const { token, next } = useSearch({ strict: false }) as { token?: string; next?: string }
  const navigate = useNavigate()
  const [name, setName] = useState(() => localStorage.getItem('pluvio.user') ?? '')
  const [password, setPasswordText] = useState('')
  const onward = () => navigate({ href: next ?? '/', replace: true })
  const form = useForm(async () => {
    await signIn(name.trim(), password)
    await onward()
  })
  const link = useForm(async () => {
    await redeemLink(token ?? '')
    // The token has done its work; it must not stay in the history.
    await navigate({ href: '/password?first=true', replace: true })
  })
  const passkey = useForm(async () => {
    await signInByPasskey()
    await onward()
  })
  const reason = obstacle()
  const redeemed = useRef(false)
  const { submit } = link
  useEffect(() => {
    // A link is good for one use, and effects may run twice.
    if (!token || redeemed.current) return
    redeemed.current = true
    submit()
  }, [token, submit])

  if (token && !link.problem)
    return (
      <Frame title={t('signin.checking')} text={t('signin.checkingText')}>
        <div className="skeleton mt-6 h-10 w-full" />
      </Frame>
    )
  return (
    <Frame title={t('signin.title')} text={t('signin.text')}>
      {link.problem && (
        <div className="mt-5">
          <ProblemLine problem={link.problem} />
        </div>
      )}
      <form onSubmit={form.submit} className="mt-6 space-y-4">
        <Field label={t('signin.name')}>
          {(control) => (
            <Input
              {...control}
              autoComplete="username"
              autoFocus={!name}
              required
              value={name}
              onChange={(event) => setName(event.target.value)}
              className="h-10"
            />
          )}
        </Field>
        <Field label={t('signin.password')}>
          {(control) => (
            <Input
              {...control}
              type="password"
              autoComplete="current-password"
              autoFocus={!!name}
              required
              value={password}
              onChange={(event) => setPasswordText(event.target.value)}
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
          disabled={form.busy || !password || !name.trim()}
        >
          <KeyRound size={16} aria-hidden />
          {t('signin.submit')}
        </Button>
      </form>
      <section className="mt-4 space-y-2 border-t pt-4">
        <Button
          size="lg"
          className="w-full"
          disabled={passkey.busy || !!reason}
          aria-describedby={reason ? 'no-passkey' : undefined}
          onClick={() => passkey.submit()}
        >
          <Fingerprint size={16} aria-hidden />
          {t('passkey.signIn')}
        </Button>
        {reason && (
          <p id="no-passkey" className="text-xs leading-[18px] text-fg-2">
            {reason === 'insecure' ? t('passkey.insecure') : t('passkey.unsupported')}
          </p>
        )}
        {passkey.problem && <ProblemLine problem={passkey.problem} />}
      </section>
      <section className="mt-8 rounded-lg border bg-surface p-4">
        <h2 className="flex items-center gap-2 text-sm">
          <TerminalSquare size={15} aria-hidden className="text-fg-3" />
          {t('signin.noPassword')}
        </h2>
        <p className="mt-1 text-xs leading-[18px] text-fg-2">{t('signin.noPasswordText')}</p>
        <div className="mt-2 flex items-center gap-2 rounded-md bg-sunken px-2.5 py-1">
          <code className="mono min-w-0 flex-1">pluvio signin-link</code>
          <CopyButton text="pluvio signin-link" />
        </div>
      </section>
    </Frame>
  )
}

const shortest = 10

export function PasswordPage() {
  const { t } = useI18n()
  const { first } = useSearch({ strict: false }) as { first?: boolean }
  const navigate = useNavigate()
  const [password, setText] = useState('')
  const [again, setAgain] = useState('')
  const [old, setOld] = useState('')
  const session = useSession()
  const hasOne = session.data ? !session.data.password_unset : !first
  const [tried, setTried] = useState(false)
  const tooShort = [...password].length < shortest
  const differs = again !== password
  const form = useForm(async () => {
    setTried(true)
    if (tooShort || differs) return
    await setPassword(password, hasOne ? old : undefined)
    await navigate({ to: '/', replace: true })
  })
  return (
    <Frame title={t('password.title')} text={first ? t('password.firstText') : t('password.text')}>
      <form onSubmit={form.submit} className="mt-6 space-y-4">
        {/* Password keepers want to know whose password this is. */}
        <input type="text" autoComplete="username" value={session.data?.user.name ?? ''} readOnly hidden />
        {hasOne && (
          <Field label={t('password.current')}>
            {(control) => (
              <Input
                {...control}
                type="password"
                autoComplete="current-password"
                autoFocus
                value={old}
                onChange={(event) => setOld(event.target.value)}
                className="h-10"
              />
            )}
          </Field>
        )}
        <Field
          label={t('password.new')}
          hint={t('password.hint', { n: shortest })}
          error={tried && tooShort ? t('password.hint', { n: shortest }) : undefined}
        >
          {(control) => (
            <Input
              {...control}
              type="password"
              autoComplete="new-password"
              autoFocus={!hasOne}
              value={password}
              onChange={(event) => setText(event.target.value)}
              className="h-10"
            />
          )}
        </Field>
        <Field label={t('password.again')} error={tried && differs ? t('password.differs') : undefined}>
          {(control) => (
            <Input
              {...control}
              type="password"
              autoComplete="new-password"
              value={again}
              onChange={(event) => setAgain(event.target.value)}
              className="h-10"
            />
          )}
        </Field>
        {form.problem && <ProblemLine problem={form.problem} />}
        <div className="flex flex-wrap gap-2">
          <Button type="submit" variant="primary" size="lg" className="flex-1" disabled={form.busy}>
            {t('password.submit')}
          </Button>
          <Button variant="ghost" size="lg" onClick={() => void navigate({ to: '/', replace: true })}>
            {first ? t('password.later') : t('common.cancel')}
            <ArrowRight size={15} aria-hidden />
          </Button>
        </div>
        {first && (
          <Button
            size="lg"
            className="w-full"
            onClick={() => void navigate({ href: '/passkeys?first=true', replace: true })}
          >
            <Fingerprint size={16} aria-hidden />
            {t('passkey.instead')}
          </Button>
        )}
      </form>
    </Frame>
  )
}
