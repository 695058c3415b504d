/** Addresses of a component outside: who answers, and what the others said. */
import type { ComponentDetail } from '../../api/types'
import { useI18n } from '../../i18n'
import { Card } from '../../ui/card'
import { Status } from '../../ui/status'
import { states } from './instances'

export function Addresses({ component, off }: { component: ComponentDetail; off: boolean }) {
  const { t } = useI18n()
  return (
    <Card title={t('outside.title')} hint={(component.addresses ?? []).join(', ')} pad={false}>
      {component.instances.length === 0 ? (
        <p className="border-t px-4 py-6 text-center text-sm text-fg-2">
          {off ? t('outside.stopped') : t('outside.none')}
        </p>
      ) : (
        <div className="overflow-x-auto">
          <table className="w-full text-sm">
            <thead>
              <tr className="table-head border-y bg-sunken">
                <th className="!pl-4">{t('instance.address')}</th>
                <th>{t('instance.state')}</th>
                <th className="!pr-4">{t('outside.answer')}</th>
              </tr>
            </thead>
            <tbody>
              {component.instances.map((one) => (
                <tr key={one.name} className="table-row border-t first:border-t-0">
                  <td className="mono !pl-4">{one.address ?? '–'}</td>
                  <td className="text-xs">
                    <Status state={states[one.state.state]}>
                      {one.state.state === 'ready' ? t('outside.answers') : t('outside.silent')}
                    </Status>
                  </td>
                  <td className="!pr-4 text-xs text-fg-2">{one.probe?.message ?? ''}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}
