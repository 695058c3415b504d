/** Keeps a credential for a private registry or Git host. It is sealed and never shown again. */
import { type FormEvent, useState } from 'react'
import { Problem } from '../api/problem'
import { putCredential } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { Button, Field, Input, Select, TextArea } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { ProblemLine } from '../ui/panels'
import { toast } from '../ui/toast'

type CredentialKind = 'registry' | 'git-https' | 'git-ssh'

export function CredentialDialog({
  open,
  onClose,
  kind: first,
}: {
  open: boolean
  onClose: () => void
  kind: CredentialKind
}) {
  const { t } = useI18n()
  const place = usePlace()
  const [kind, setKind] = useState<CredentialKind>(first)
  const [name, setName] = useState('')
  const [host, setHost] = useState('')
  const [username, setUsername] = useState('')
  const [secret, setSecret] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem>()
  const save = async (event: FormEvent) => {
    event.preventDefault()
    setBusy(true)
    setProblem(undefined)
    try {
      await putCredential(place.team, name, { kind, host, username: username || undefined, secret })
      setSecret('')
      toast('ok', t('credential.saved', { name }))
      onClose()
    } catch (thrown) {
      setProblem(Problem.of(thrown))
    } finally {
      setBusy(false)
    }
  }
  return (
    <Dialog open={open} onClose={onClose} title={t('credential.title')}>
      <form onSubmit={(event) => void save(event)} className="space-y-4">
        <p className="text-sm text-fg-2">{t('credential.text')}</p>
        <div className="grid gap-4 md:grid-cols-2">
          <Field label={t('credential.kind')}>
            {(control) => (
              <Select
                {...control}
                value={kind}
                onChange={(event) => setKind(event.target.value as CredentialKind)}
                className="w-full"
              >
                <option value="registry">{t('credential.registry')}</option>
                <option value="git-https">{t('credential.gitHttps')}</option>
                <option value="git-ssh">{t('credential.gitSsh')}</option>
              </Select>
            )}
          </Field>
          <Field label={t('credential.name')}>
            {(control) => (
              <Input
                {...control}
                required
                mono
                pattern="[a-z]([\-a-z0-9]*[a-z0-9])?"
                value={name}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          <Field label={t('credential.host')}>
            {(control) => (
              <Input
                {...control}
                required
                mono
                placeholder={kind === 'registry' ? 'ghcr.io' : 'github.com'}
                value={host}
                onChange={(event) => setHost(event.target.value.trim())}
              />
            )}
          </Field>
          {kind !== 'git-ssh' && (
            <Field label={t('credential.username')}>
              {(control) => (
                <Input
                  {...control}
                  autoComplete="off"
                  value={username}
                  onChange={(event) => setUsername(event.target.value)}
                />
              )}
            </Field>
          )}
        </div>
        <Field
          label={kind === 'git-ssh' ? t('credential.key') : t('credential.secret')}
          hint={t('credential.sealed')}
        >
          {(control) =>
            kind === 'git-ssh' ? (
              <TextArea
                {...control}
                mono
                required
                rows={5}
                value={secret}
                onChange={(event) => setSecret(event.target.value)}
              />
            ) : (
              <Input
                {...control}
                type="password"
                required
                autoComplete="off"
                value={secret}
                onChange={(event) => setSecret(event.target.value)}
              />
            )
          }
        </Field>
        {problem && <ProblemLine problem={problem} />}
        <Button type="submit" variant="primary" disabled={busy}>
          {t('common.save')}
        </Button>
      </form>
    </Dialog>
  )
}
