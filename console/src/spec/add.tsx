/** A new component: which kind, what it is called, what it runs. The rest is edited in its form. */
import { useState } from 'react'
import { nameOk } from '../api/name'
import type { ComponentSpec } from '../api/types'
import { useI18n } from '../i18n'
import { KindTile, kindWord } from '../topology/node'
import { Button, Field, Input, Segmented, Select } from '../ui/controls'
import { cx } from '../ui/cx'
import { Dialog } from '../ui/dialog'
import { type Kind, kinds, template } from './shape'

const databases = ['postgres@17', 'postgres@15', 'mariadb@11.8', 'redis@7']

export function AddDialog({
  open,
  taken,
  onClose,
  onAdd,
}: {
  open: boolean
  taken: string[]
  onClose: () => void
  onAdd: (name: string, component: ComponentSpec) => void
}) {
  const i18n = useI18n()
  const { t } = i18n
  const [kind, setKind] = useState<Kind>('service')
  const [name, setName] = useState('')
  const [from, setFrom] = useState<'image' | 'git'>('image')
  const [what, setWhat] = useState('')
  const [database, setDatabase] = useState(databases[0] as string)
  const error =
    name === ''
      ? undefined
      : taken.includes(name)
        ? t('components.taken')
        : nameOk(name)
          ? undefined
          : t('create.nameHint')
  const ready = name !== '' && !error && (kind === 'database' || what.trim() !== '')
  return (
    <Dialog open={open} onClose={onClose} title={t('components.add')} width="md:w-[620px]">
      <form
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          if (!ready) return
          const value = what.trim()
          onAdd(
            name,
            template(kind, {
              database,
              address: value,
              ...(from === 'git' ? { git: value } : { image: value }),
            }) as ComponentSpec,
          )
          setName('')
          setWhat('')
        }}
      >
        <fieldset className="grid grid-cols-2 gap-2 sm:grid-cols-3" aria-label={t('field.kind')}>
          {kinds.map((one) => (
            <button
              key={one}
              type="button"
              aria-pressed={one === kind}
              onClick={() => setKind(one)}
              className={cx(
                'touch flex min-h-12 items-center gap-2 rounded-lg border px-2.5 py-1.5 text-left',
                one === kind ? 'border-accent-line bg-accent-soft' : 'border-line-2 hover:bg-hover',
              )}
            >
              <KindTile kind={one} size={26} />
              <span className="min-w-0">
                <span className="block text-sm font-medium leading-4">{kindWord(one, i18n)}</span>
                <span className="block text-2xs text-fg-2">{t(`components.kind.${one}`)}</span>
              </span>
            </button>
          ))}
        </fieldset>
        <Field label={t('components.name')} error={error} hint={t('components.nameHint')}>
          {(control) => (
            <Input
              {...control}
              mono
              value={name}
              placeholder={kind === 'database' ? 'db' : 'api'}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        {kind === 'database' ? (
          <Field label={t('field.database')}>
            {(control) => (
              <Select
                {...control}
                value={database}
                onChange={(event) => setDatabase(event.target.value)}
                className="w-full"
              >
                {databases.map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </Select>
            )}
          </Field>
        ) : kind === 'external' ? (
          <Field label={t('field.addresses')}>
            {(control) => (
              <Input
                {...control}
                mono
                value={what}
                placeholder="db.example.org:5432"
                onChange={(event) => setWhat(event.target.value)}
              />
            )}
          </Field>
        ) : (
          <>
            <Segmented
              label={t('components.from')}
              value={from}
              items={[
                ['image', t('field.image')],
                ['git', 'Git'],
              ]}
              onChange={setFrom}
            />
            <Field label={from === 'git' ? t('field.url') : t('field.image')}>
              {(control) => (
                <Input
                  {...control}
                  mono
                  value={what}
                  placeholder={from === 'git' ? 'https://git.example.org/shop.git' : 'registry/name:tag'}
                  onChange={(event) => setWhat(event.target.value)}
                />
              )}
            </Field>
          </>
        )}
        <Button type="submit" variant="primary" disabled={!ready}>
          {t('components.addDo')}
        </Button>
      </form>
    </Dialog>
  )
}
