/** What a change would do, in the same form everywhere: what differs, which instances, whether requests may be lost. */
import { Box, Check, DatabaseZap, ShieldCheck, Timer, TriangleAlert } from 'lucide-react'
import type { ChangePreview } from '../../api/types'
import { useI18n } from '../../i18n'
import { DiffList } from '../../ui/diff'

export function Effects({ preview }: { preview: ChangePreview }) {
  const { t } = useI18n()
  return (
    <ul className="divide-y divide-line border-y text-sm">
      {preview.effects.map((effect) => (
        <li key={effect.component} className="flex items-center gap-2.5 py-2">
          <span
            aria-hidden
            className="grid h-6 w-6 shrink-0 place-items-center rounded-md bg-accent-soft text-accent-fg"
          >
            <Box size={13} strokeWidth={1.9} />
          </span>
          <span className="min-w-0">
            <span className="block font-medium leading-4">{effect.component}</span>
            <span
              className={effect.effect === 'removed' ? 'block text-xs text-bad' : 'block text-xs text-fg-3'}
            >
              {effect.effect === 'replaced'
                ? effect.instances_before === effect.instances_after
                  ? t(effect.held ? 'preview.replacedHeld' : 'preview.replaced', {
                      n: effect.instances_after,
                    })
                  : t('preview.replacedScaled', { from: effect.instances_before, to: effect.instances_after })
                : effect.effect === 'scaled'
                  ? t('preview.scaled', { from: effect.instances_before, to: effect.instances_after })
                  : effect.effect === 'added'
                    ? t('preview.added', { n: effect.instances_after })
                    : effect.effect === 'removed'
                      ? t('preview.removed')
                      : effect.effect === 'routes'
                        ? t('preview.routes')
                        : t('preview.unchanged')}
            </span>
          </span>
        </li>
      ))}
    </ul>
  )
}

const icons = {
  'no-request-lost': [ShieldCheck, 'text-ok'],
  'images-at-hand': [Check, 'text-ok'],
  held: [Timer, 'text-warn'],
  'one-by-one': [Timer, 'text-fg-3'],
  'no-probe': [TriangleAlert, 'text-warn'],
  'pulled-first': [Timer, 'text-fg-3'],
  'built-first': [Timer, 'text-fg-3'],
  'volume-kept': [DatabaseZap, 'text-warn'],
} as const

export function Notes({ preview }: { preview: ChangePreview }) {
  const { known } = useI18n()
  if (preview.notes.length === 0) return null
  return (
    <ul className="mt-3 space-y-2.5 text-xs leading-[18px] text-fg-2">
      {preview.notes.map((note) => {
        const [Icon, tone] = icons[note.code as keyof typeof icons] ?? [Check, 'text-fg-3']
        return (
          <li key={`${note.code}-${note.about}`} className="flex gap-2">
            <Icon size={15} aria-hidden className={`mt-px shrink-0 ${tone}`} />
            <span>
              {known(`preview.note.${note.code}`) ?? note.text}
              {note.about && known(`preview.note.${note.code}`) && (
                <span className="mono text-fg-3"> {note.about}</span>
              )}
            </span>
          </li>
        )
      })}
    </ul>
  )
}

/** The whole preview of a change of settings, for a dialog. */
export function PreviewBody({ preview, byComponent }: { preview: ChangePreview; byComponent?: boolean }) {
  const { t, duration } = useI18n()
  // Of several components each row says whose it is.
  const rows = preview.diff.flatMap((component) =>
    component.rows.map((row) =>
      byComponent && preview.diff.length > 1 ? { ...row, what: `${component.component} · ${row.what}` } : row,
    ),
  )
  return (
    <>
      {rows.length > 0 && (
        <div className="mb-3 overflow-hidden rounded-lg border">
          <DiffList
            changes={rows.map((row) => ({
              kind: row.change,
              at: row.what,
              before: row.before ?? undefined,
              after: row.after ?? undefined,
            }))}
          />
        </div>
      )}
      <Effects preview={preview} />
      <Notes preview={preview} />
      {preview.usual_ms != null && (
        <p className="mt-3 flex items-center gap-1.5 text-xs text-fg-2">
          <Timer size={13} aria-hidden />
          {t('preview.usual', { time: duration(preview.usual_ms) })}
        </p>
      )}
    </>
  )
}
