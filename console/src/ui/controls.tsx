/** Buttons, fields and other small controls, dressed with tokens. */
import { Switch as BaseSwitch } from '@base-ui/react/switch'
import { Toggle } from '@base-ui/react/toggle'
import { ToggleGroup } from '@base-ui/react/toggle-group'
import { Tooltip } from '@base-ui/react/tooltip'
import { createLink } from '@tanstack/react-router'
import { Check, ChevronDown, Copy } from 'lucide-react'
import {
  type AnchorHTMLAttributes,
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type ReactElement,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useEffect,
  useId,
  useState,
} from 'react'
import { useI18n } from '../i18n'
import { cx } from './cx'

type Look = {
  variant?: 'primary' | 'default' | 'ghost' | 'danger'
  size?: 'sm' | 'md' | 'lg'
  square?: boolean
}

const look = ({ variant = 'default', size = 'md', square }: Look, className?: string) =>
  cx(
    'touch inline-flex shrink-0 items-center justify-center gap-1.5 whitespace-nowrap font-medium transition-colors duration-100 disabled:text-fg-3',
    size === 'sm' && cx('h-7 rounded-md text-xs', square ? 'w-7' : 'px-2'),
    size === 'md' && cx('h-8 rounded-md text-sm', square ? 'w-8' : 'px-3'),
    size === 'lg' && cx('h-10 rounded-lg text-base', square ? 'w-10' : 'px-4'),
    variant === 'primary' &&
      'bg-accent text-on-accent shadow-1 hover:brightness-108 disabled:bg-mute-soft disabled:shadow-none disabled:hover:brightness-100',
    variant === 'default' && 'border border-line-2 bg-surface text-fg shadow-1 hover:bg-hover',
    variant === 'ghost' && 'text-fg-2 hover:bg-hover hover:text-fg',
    variant === 'danger' &&
      'border border-line-2 bg-surface text-bad shadow-1 hover:bg-bad-soft disabled:hover:bg-surface',
    className,
  )

export function Button({
  variant,
  size,
  square,
  className,
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & Look & { ref?: Ref<HTMLButtonElement> }) {
  return <button type="button" {...rest} className={look({ variant, size, square }, className)} />
}

function Anchor({
  variant,
  size,
  square,
  className,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & Look) {
  return <a {...rest} className={look({ variant, size, square }, className)} />
}
/** A link that looks like a button, to another page of the console. */
export const ButtonLink = createLink(Anchor)
/** The same to an address outside of it. */
export const ButtonAnchor = Anchor

export function Kbd({ children, on }: { children: ReactNode; on?: boolean }) {
  return (
    <kbd
      className={cx(
        'hidden h-[18px] min-w-[18px] items-center justify-center rounded-sm border px-1 font-sans text-2xs font-medium leading-none md:inline-flex pointer-coarse:hidden',
        on ? 'border-current/40' : 'border-line-2 bg-surface text-fg-3',
      )}
    >
      {children}
    </kbd>
  )
}

export function Tip({ text, children }: { text: string; children: ReactElement }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger render={children} />
      <Tooltip.Portal>
        <Tooltip.Positioner sideOffset={6} className="z-50">
          <Tooltip.Popup className="rounded-md bg-fg px-2 py-1 text-xs text-bg shadow-2">
            {text}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  )
}

const field =
  'touch w-full min-w-0 rounded-md border border-line-3 bg-surface px-2.5 text-fg placeholder:text-fg-3 aria-invalid:border-bad disabled:bg-sunken disabled:text-fg-3'

export function Input({
  mono,
  className,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { mono?: boolean; ref?: Ref<HTMLInputElement> }) {
  return (
    <input
      spellCheck={false}
      autoCapitalize="off"
      {...rest}
      className={cx(field, 'h-8', mono && 'mono', className)}
    />
  )
}

export function TextArea({
  mono,
  className,
  ...rest
}: TextareaHTMLAttributes<HTMLTextAreaElement> & { mono?: boolean }) {
  return (
    <textarea
      spellCheck={false}
      {...rest}
      className={cx(field, 'py-1.5', mono && 'mono leading-5', className)}
    />
  )
}

/** The platform's own select: right on a phone, reachable by every assistive tool. */
export function Select({ className, children, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return (
    <span className={cx('relative inline-flex', className)}>
      <select {...rest} className={cx(field, 'h-8 appearance-none bg-surface pr-8')}>
        {children}
      </select>
      <ChevronDown
        size={14}
        aria-hidden
        className="pointer-events-none absolute right-2.5 top-1/2 -translate-y-1/2 text-fg-3"
      />
    </span>
  )
}

/** A label, its control, a hint and the error, tied together for assistive tools. */
export function Field({
  label,
  hint,
  error,
  children,
  className,
}: {
  label: ReactNode
  hint?: ReactNode
  error?: ReactNode
  className?: string
  children: (control: { id: string; 'aria-describedby'?: string; 'aria-invalid'?: true }) => ReactNode
}) {
  const id = useId()
  const note = error ?? hint
  return (
    <div className={cx('min-w-0', className)}>
      <label htmlFor={id} className="mb-1 block text-xs font-medium text-fg">
        {label}
      </label>
      {children({
        id,
        'aria-describedby': note ? `${id}-note` : undefined,
        'aria-invalid': error ? true : undefined,
      })}
      {note && (
        <p id={`${id}-note`} className={cx('mt-1 text-xs', error ? 'text-bad' : 'text-fg-3')}>
          {note}
        </p>
      )}
    </div>
  )
}

export function Switch({
  checked,
  onChange,
  label,
  hint,
}: {
  checked: boolean
  onChange: (on: boolean) => void
  label: ReactNode
  hint?: ReactNode
}) {
  const id = useId()
  return (
    <div className="flex items-start gap-3">
      <BaseSwitch.Root
        id={id}
        checked={checked}
        onCheckedChange={onChange}
        className="mt-0.5 flex h-[18px] w-8 shrink-0 rounded-full border border-line-3 bg-mute-soft p-px data-[checked]:border-accent data-[checked]:bg-accent"
      >
        <BaseSwitch.Thumb className="h-3.5 w-3.5 rounded-full bg-line-3 transition-transform duration-100 data-[checked]:translate-x-3.5 data-[checked]:bg-on-accent" />
      </BaseSwitch.Root>
      <label htmlFor={id} className="min-w-0">
        <span className="block text-sm">{label}</span>
        {hint && <span className="block text-xs text-fg-3">{hint}</span>}
      </label>
    </div>
  )
}

/** One of a few: a single tab stop, arrows move inside. */
export function Segmented<T extends string>({
  value,
  items,
  onChange,
  label,
}: {
  value: T
  items: [T, ReactNode][]
  onChange: (value: T) => void
  label: string
}) {
  return (
    <ToggleGroup
      aria-label={label}
      value={[value]}
      onValueChange={([next]) => next && onChange(next as T)}
      className="inline-flex h-8 max-w-full shrink-0 items-center overflow-x-auto rounded-md border border-line-2 bg-sunken p-0.5 shadow-1"
    >
      {items.map(([item, name]) => (
        <Toggle
          key={item}
          value={item}
          className="flex h-full items-center gap-1.5 whitespace-nowrap rounded-sm px-2.5 text-xs font-medium text-fg-3 hover:text-fg data-[pressed]:bg-raised data-[pressed]:text-fg data-[pressed]:shadow-1"
        >
          {name}
        </Toggle>
      ))}
    </ToggleGroup>
  )
}

/** Copies text; says that it did. */
export function CopyButton({
  text,
  label,
  children,
}: {
  text: string
  label?: string
  children?: ReactNode
}) {
  const { t } = useI18n()
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1600)
    return () => clearTimeout(timer)
  }, [copied])
  const name = copied ? t('common.copied') : (label ?? t('common.copy'))
  return (
    <Button
      variant="ghost"
      size="sm"
      square={!children}
      aria-label={children ? undefined : name}
      onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}
    >
      {copied ? <Check size={13} aria-hidden /> : <Copy size={13} aria-hidden />}
      {children}
    </Button>
  )
}

export function Avatar({ name, size = 20 }: { name: string; size?: number }) {
  const hue = [...name].reduce((sum, char) => sum + char.charCodeAt(0) * 37, 0) % 360
  const initials = name
    .split(/[\s._@-]+/)
    .filter(Boolean)
    .map((word) => [...word][0])
    .join('')
    .slice(0, 2)
    .toUpperCase()
  return (
    <span
      aria-hidden
      className="grid shrink-0 place-items-center rounded-full font-semibold"
      style={{
        width: size,
        height: size,
        fontSize: size * 0.42,
        background: `oklch(0.86 0.06 ${hue})`,
        color: `oklch(0.34 0.08 ${hue})`,
      }}
    >
      {initials}
    </span>
  )
}

export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden className="shrink-0">
      <rect width="24" height="24" rx="6.5" fill="var(--accent)" />
      <g stroke="var(--on-accent)" strokeWidth="2.1" strokeLinecap="round">
        <path d="M9.2 5.6 6.6 12.6" />
        <path d="M14.1 6.6 9.9 18.2" />
        <path d="M17.6 9.6 15 16.8" opacity=".72" />
      </g>
    </svg>
  )
}
