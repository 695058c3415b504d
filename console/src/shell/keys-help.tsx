/** All keys on one sheet, and the switch that turns single keys off. */
import { useSyncExternalStore } from 'react'
import { type Key, useI18n } from '../i18n'
import { Switch } from '../ui/controls'
import { Dialog } from '../ui/dialog'
import { useKeys } from './keys'
import { setSingleKeys, useSingleKeys } from './preferences'

let isOpen = false
const subscribers = new Set<() => void>()
function setOpen(open: boolean) {
  isOpen = open
  for (const subscriber of subscribers) subscriber()
}
export const openKeysHelp = () => setOpen(true)

const rows: [string[], Key][] = [
  [['Ctrl', 'K'], 'keys.palette'],
  [['?'], 'keys.title'],
  [['G', 'O'], 'nav.overview'],
  [['G', 'A'], 'nav.applications'],
  [['G', 'T'], 'nav.topology'],
  [['G', 'G'], 'nav.gateway'],
  [['G', 'P'], 'nav.operations'],
  [['G', 'C'], 'nav.clusters'],
  [['C'], 'nav.create'],
  [['J'], 'keys.down'],
  [['K'], 'keys.up'],
  [['Enter'], 'keys.open'],
  [['D'], 'keys.deploy'],
  [['Shift', 'R'], 'keys.restart'],
  [['L'], 'keys.logs'],
  [['T'], 'keys.terminal'],
  [['E'], 'keys.environment'],
  [['1', '…', '6'], 'keys.tabs'],
  [['X'], 'keys.pick'],
  [['/'], 'keys.find'],
  [['Space'], 'keys.follow'],
  [['Ctrl', 'Enter'], 'keys.apply'],
  [['Ctrl', 'Shift', 'K'], 'keys.leaveTerminal'],
]

export function KeysHelp() {
  const { t } = useI18n()
  const open = useSyncExternalStore(
    (subscriber) => {
      subscribers.add(subscriber)
      return () => subscribers.delete(subscriber)
    },
    () => isOpen,
  )
  const single = useSingleKeys()
  useKeys({ '?': openKeysHelp })
  return (
    <Dialog open={open} onClose={() => setOpen(false)} title={t('keys.title')} width="md:w-[640px]">
      <dl className="grid gap-x-8 md:grid-cols-2">
        {rows.map(([keys, meaning]) => (
          <div key={meaning} className="flex min-h-8 items-center gap-3 border-b border-line py-1 text-sm">
            <dt className="flex-1 text-fg-2">{t(meaning)}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="inline-flex h-5 min-w-5 items-center justify-center rounded-sm border border-line-2 px-1 font-sans text-2xs font-medium text-fg-2"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <div className="mt-4">
        <Switch
          checked={single}
          onChange={setSingleKeys}
          label={t('keys.single')}
          hint={t('keys.singleHint')}
        />
      </div>
    </Dialog>
  )
}
