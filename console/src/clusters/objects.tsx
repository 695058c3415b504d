/** Objects of a cluster of one kind, as the cluster itself tells of them. */
import { useId } from 'react'
import type { ObjectRow } from '../api/types'
import { useI18n } from '../i18n'
import { Status, Tag } from '../ui/status'

/** Columns of the cluster's that fit beside name, state and age. */
const most = 5

export function ObjectsTable({
  rows,
  namespaced,
  row: place,
  onOpen,
}: {
  rows: ObjectRow[]
  namespaced: boolean
  row: (index: number) => (element: HTMLElement | null) => void
  /** Absent where one has nothing more to show. */
  onOpen?: (row: ObjectRow) => void
}) {
  const { t, known, ago, utc } = useI18n()
  const id = useId()
  const columns = (rows[0]?.cells ?? []).slice(0, most).map((cell) => cell.name)
  return (
    <div className="overflow-x-auto">
      <table className="w-full text-sm">
        <thead>
          <tr className="table-head border-y bg-sunken">
            <th className="!pl-4">{t('cluster.name')}</th>
            {namespaced && <th className="max-md:hidden">{t('cluster.namespace')}</th>}
            <th>{t('cluster.state')}</th>
            {columns.map((name) => (
              <th key={name} className="max-lg:hidden">
                {name}
              </th>
            ))}
            <th className="!pr-4 !text-right">{t('object.age')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((one, index) => (
            <tr
              key={`${one.namespace}/${one.name}/${index}`}
              className="border-t align-top first:border-t-0 hover:bg-hover"
            >
              <td className="min-w-0 break-all px-2 py-1.5 !pl-4">
                {onOpen ? (
                  <button
                    type="button"
                    ref={place(index)}
                    aria-describedby={one.namespace ? `${id}-${index}` : undefined}
                    onClick={() => onOpen(one)}
                    className="min-h-6 text-left font-medium hover:underline"
                  >
                    {one.name}
                  </button>
                ) : (
                  <span className="font-medium">{one.name}</span>
                )}{' '}
                {one.is_ours && (
                  <Tag tone="accent" className="align-middle">
                    {one.application ?? t('object.ours')}
                  </Tag>
                )}
                {one.namespace && (
                  <div id={`${id}-${index}`} className="text-xs text-fg-3 md:hidden">
                    {one.namespace}
                  </div>
                )}
              </td>
              {namespaced && (
                <td className="break-all px-2 py-2 text-xs leading-5 text-fg-2 max-md:hidden">
                  {one.namespace}
                </td>
              )}
              <td className="px-2 py-2 text-xs leading-5">
                {one.state !== 'there' && <Status state={one.state} />}
                {one.note && (
                  <span className="block break-words text-fg-2">
                    {known(`object.note.${one.note}`) ?? one.note}
                  </span>
                )}
                {one.state === 'there' && !one.note && <span className="text-fg-3">–</span>}
              </td>
              {columns.map((name) => (
                <td
                  key={name}
                  className="max-w-56 break-words px-2 py-2 text-xs leading-5 text-fg-2 max-lg:hidden"
                >
                  {one.cells.find((cell) => cell.name === name)?.value}
                </td>
              ))}
              <td className="num whitespace-nowrap px-2 py-2 !pr-4 text-right text-xs leading-5 text-fg-3">
                {one.created && <span title={utc(one.created)}>{ago(one.created)}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
