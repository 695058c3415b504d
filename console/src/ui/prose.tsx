import { Fragment } from 'react'

/** A sentence of the server's: what stands between backticks is what a machine reads. */
export function Prose({ text }: { text: string }) {
  const parts = text.split('`')
  // An odd sign at the end is no pair.
  if (parts.length % 2 === 0) return text
  return parts.map((part, index) =>
    index % 2 ? (
      <code key={index} className="mono rounded-sm bg-mute-soft px-1">
        {part}
      </code>
    ) : (
      <Fragment key={index}>{part}</Fragment>
    ),
  )
}
