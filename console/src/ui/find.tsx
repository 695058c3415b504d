/** The field that narrows a list by words. */
import { Search } from 'lucide-react'
import type { Ref } from 'react'
import { Input } from './controls'
import { cx } from './cx'

export function Find({
  field,
  label,
  value,
  onFind,
  className,
}: {
  field: Ref<HTMLInputElement>
  label: string
  value: string
  onFind: (words: string) => void
  className?: string
}) {
  return (
    <div className={cx('relative', className)}>
      <Search
        size={14}
        aria-hidden
        className="pointer-events-none absolute left-2.5 top-1/2 -translate-y-1/2 text-fg-3"
      />
      <Input
        ref={field}
        type="search"
        aria-label={label}
        placeholder={label}
        value={value}
        onChange={(event) => onFind(event.target.value)}
        onKeyDown={(event) => event.key === 'Escape' && event.currentTarget.blur()}
        className="!pl-8"
      />
    </div>
  )
}
