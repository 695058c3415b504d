/** The nodes of a cluster: what each has and gives, what runs on it, how it says that it is. */
import { ChevronRight } from 'lucide-react'
import { useId, useState } from 'react'
import type { NodeOverview } from '../api/types'
import { useI18n } from '../i18n'
import { Facts } from '../ui/card'
import { Button, Input } from '../ui/controls'
import { cx } from '../ui/cx'
import { type State, Status, StatusIcon, Tag } from '../ui/status'
import { AmountRow } from './amounts'

/** As many are drawn at once; a cluster may have hundreds. */
const most = 40

export function Nodes({ nodes }: { nodes: NodeOverview[] }) {
  const { t } = useI18n()
  const [find, setFind] = useState('')
  const [shown, setShown] = useState(most)
  const wanted = find.trim().toLowerCase()
  const found = nodes.filter((node) => !wanted || node.name.toLowerCase().includes(wanted))
  return (
    <>
      {nodes.length > 8 && (
        <search className="block px-4 pb-3">
          <Input
            type="search"
            aria-label={t('cluster.findNode')}
            placeholder={t('cluster.findNode')}
            value={find}
            onChange={(event) => setFind(event.target.value)}
          />
        </search>
      )}
      {found.length === 0 && nodes.length > 0 && (
        <p className="px-4 pb-4 text-sm text-fg-2">{t('cluster.noNode')}</p>
      )}
      <ul className="divide-y divide-line border-t">
        {found.slice(0, shown).map((node) => (
          <Node key={node.name} node={node} />
        ))}
      </ul>
      {found.length > shown && (
        <div className="flex justify-center border-t p-3">
          <Button onClick={() => setShown(shown + most)}>{t('common.more')}</Button>
        </div>
      )}
    </>
  )
}

const stateOf = (node: NodeOverview): [State, 'ready' | 'away' | 'cordoned'] =>
  !node.is_ready ? ['failed', 'away'] : node.is_cordoned ? ['draining', 'cordoned'] : ['running', 'ready']

function Node({ node }: { node: NodeOverview }) {
  const { t } = useI18n()
  const [open, setOpen] = useState(false)
  const id = useId()
  const [state, word] = stateOf(node)
  const bad = node.conditions.filter((one) => !one.is_good)
  return (
    <li className="px-4 py-3">
      <div className="grid gap-x-5 gap-y-3 md:grid-cols-[minmax(0,1.3fr)_repeat(3,minmax(0,1fr))_28px]">
        <div className="min-w-0">
          <div className="flex flex-wrap items-center gap-x-2 gap-y-0.5">
            <b className="min-w-0 break-all text-sm font-medium">{node.name}</b>
            {node.roles.map((role) => (
              <Tag key={role}>{role}</Tag>
            ))}
          </div>
          <div className="flex flex-wrap items-center gap-x-2 text-xs">
            <Status state={state}>{t(`cluster.node.${word}`)}</Status>
            <span className="mono text-fg-3">{node.kubelet}</span>
          </div>
          <div className="num text-xs text-fg-3">
            {t('cluster.pods')} {t('cluster.podsOf', { n: node.pods, most: node.most_pods })},{' '}
            {t('cluster.ours', { n: node.instances })}
          </div>
        </div>
        <AmountRow what="cpu" amounts={node.resources.cpu} />
        <AmountRow what="memory" amounts={node.resources.memory} />
        <AmountRow what="disk" amounts={node.resources.disk} />
        <Button
          size="sm"
          square
          variant="ghost"
          aria-expanded={open}
          aria-controls={id}
          aria-label={t('cluster.node.more', { name: node.name })}
          className="max-md:w-full"
          onClick={() => setOpen(!open)}
        >
          <ChevronRight size={14} aria-hidden className={cx('transition-transform', open && 'rotate-90')} />
        </Button>
      </div>
      {!open && bad.length > 0 && <Conditions conditions={bad} />}
      <div id={id} hidden={!open}>
        {open && <Details node={node} />}
      </div>
    </li>
  )
}

function Conditions({ conditions }: { conditions: NodeOverview['conditions'] }) {
  const { when, utc } = useI18n()
  return (
    <ul className="mt-2 space-y-1 text-xs">
      {conditions.map((one) => (
        <li key={one.kind} className="flex items-start gap-2">
          <span className="mt-0.5">
            <StatusIcon state={one.is_good ? 'succeeded' : 'degraded'} size={13} />
          </span>
          <span className="min-w-0 break-words">
            <b className="font-medium">{one.kind}</b>{' '}
            <span className="text-fg-2">
              {one.status}
              {one.message && `: ${one.message}`}
            </span>
            {one.since && (
              <span className="num text-fg-3" title={utc(one.since)}>
                {' '}
                {when(one.since)}
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}

function Details({ node }: { node: NodeOverview }) {
  const { t } = useI18n()
  return (
    <div className="mt-3 grid gap-x-8 gap-y-3 md:grid-cols-2">
      <section>
        <h3 className="eyebrow">{t('cluster.conditions')}</h3>
        <Conditions conditions={node.conditions} />
      </section>
      <section>
        <Facts
          items={[
            ...node.addresses.map((one): [string, string] => [one.kind, one.address]),
            [t('cluster.runtime'), node.container_runtime],
            [t('cluster.system'), `${node.system}, ${node.architecture}`],
            ...(node.zone ? [[t('cluster.zone'), node.zone] as [string, string]] : []),
            [
              t('cluster.taints'),
              node.taints.length
                ? node.taints
                    .map((one) => `${one.key}${one.value ? `=${one.value}` : ''}:${one.effect}`)
                    .join(', ')
                : t('common.none'),
            ],
          ]}
        />
      </section>
    </div>
  )
}
