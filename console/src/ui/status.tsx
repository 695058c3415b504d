/** The only place that draws a status: icon and word carry the meaning, colour only helps. */
import {
  Ban,
  Check,
  CircleDashed,
  CircleDot,
  CircleHelp,
  Clock,
  LoaderCircle,
  type LucideIcon,
  Moon,
  OctagonX,
  Square,
  TriangleAlert,
  Waves,
} from 'lucide-react'
import type { ReactNode } from 'react'
import { useI18n } from '../i18n'
import { cx } from './cx'

export type Tone = 'ok' | 'warn' | 'bad' | 'accent' | 'idle' | 'mute'

export const toneClass: Record<Tone, { text: string; soft: string }> = {
  ok: { text: 'text-ok', soft: 'bg-ok-soft' },
  warn: { text: 'text-warn', soft: 'bg-warn-soft' },
  bad: { text: 'text-bad', soft: 'bg-bad-soft' },
  accent: { text: 'text-accent-fg', soft: 'bg-accent-soft' },
  idle: { text: 'text-idle', soft: 'bg-idle-soft' },
  mute: { text: 'text-fg-3', soft: 'bg-mute-soft' },
}

const states = {
  running: ['ok', CircleDot],
  deploying: ['accent', LoaderCircle],
  building: ['accent', LoaderCircle],
  degraded: ['warn', TriangleAlert],
  failed: ['bad', OctagonX],
  waiting: ['mute', CircleDashed],
  draining: ['mute', Waves],
  sleeping: ['idle', Moon],
  scheduled: ['mute', Clock],
  stopped: ['mute', Square],
  succeeded: ['ok', Check],
  cancelled: ['mute', Ban],
  superseded: ['mute', Ban],
  unknown: ['mute', CircleHelp],
} as const satisfies Record<string, [Tone, LucideIcon]>

export type State = keyof typeof states

/** A state word of the server; one the console does not know is shown as unknown rather than guessed. */
export const asState = (word: string | undefined): State =>
  word !== undefined && Object.hasOwn(states, word) ? (word as State) : 'unknown'

export const toneOf = (state: State): Tone => states[state][0]
export const inMotion = (state: State) => state === 'deploying' || state === 'building'

export function StatusIcon({ state, size = 14 }: { state: State; size?: number }) {
  const [tone, Icon] = states[state]
  return (
    <Icon
      aria-hidden
      size={size}
      strokeWidth={2.25}
      className={cx('shrink-0', toneClass[tone].text, inMotion(state) && 'spin')}
    />
  )
}

/** The icon alone for the eye, the word for a screen reader. */
export function StatusDot({ state, size }: { state: State; size?: number }) {
  const { t } = useI18n()
  return (
    <>
      <StatusIcon state={state} size={size} />
      <span className="sr-only">{t(`state.${state}`)}</span>
    </>
  )
}

export function Status({ state, children, pill }: { state: State; children?: ReactNode; pill?: boolean }) {
  const { t } = useI18n()
  const tone = toneClass[toneOf(state)]
  return (
    <span
      className={cx(
        'inline-flex items-center gap-1.5 whitespace-nowrap font-medium',
        tone.text,
        pill && cx('rounded-full px-2 py-0.5 text-xs', tone.soft),
      )}
    >
      <StatusIcon state={state} size={pill ? 12 : 14} />
      {children ?? t(`state.${state}`)}
    </span>
  )
}

export function Tag({
  tone = 'mute',
  children,
  className,
}: {
  tone?: Tone
  children: ReactNode
  className?: string
}) {
  return (
    <span
      className={cx(
        'inline-flex items-center gap-1 whitespace-nowrap rounded-sm px-1.5 text-2xs font-medium',
        toneClass[tone].text,
        toneClass[tone].soft,
        className,
      )}
    >
      {children}
    </span>
  )
}
