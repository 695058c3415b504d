/** What passes on an edge, in one number and in words. */
import type { EdgeTraffic, TopologyEdge } from '../api/types'
import type { I18n } from '../i18n'

export interface Flow {
  /** Requests per second over HTTP. */
  rate: number
  /** Share of them that failed. */
  failed: number
  p50: number | undefined
  p95: number | undefined
  /** Bytes per second, both ways, of connections. */
  bytes: number
  open: number
  http: boolean
  tcp: boolean
}

export function flowOf(edge: TopologyEdge): Flow {
  const http = edge.traffic.filter((one) => one.protocol !== 'tcp')
  const tcp = edge.traffic.filter((one) => one.protocol === 'tcp')
  const sum = (list: EdgeTraffic[], of: (one: EdgeTraffic) => number) =>
    list.reduce((all, one) => all + of(one), 0)
  const most = (of: (one: EdgeTraffic) => number | null | undefined) => {
    const known = http.map(of).filter((one): one is number => one != null)
    return known.length ? Math.max(...known) : undefined
  }
  const rate = sum(http, (one) => one.requests_per_second)
  return {
    rate,
    failed: rate > 0 ? Math.min(1, sum(http, (one) => one.errors_per_second) / rate) : 0,
    p50: most((one) => one.p50_ms),
    p95: most((one) => one.p95_ms),
    bytes: sum(tcp, (one) => one.received_per_second + one.sent_per_second),
    open: sum(tcp, (one) => one.open),
    http: http.length > 0,
    tcp: tcp.length > 0,
  }
}

/** Nothing passed lately. */
export const still = (flow: Flow) => flow.rate === 0 && flow.bytes === 0 && flow.open === 0
/** More than one request in a hundred fails. */
export const ill = (flow: Flow) => flow.failed > 0.01

export const rateText = (rate: number, { number }: I18n) =>
  `${number(rate, rate < 9.95 && rate > 0 ? 1 : 0)}/s`
export const sizeText = (bytes: number, i18n: I18n) => {
  const size = i18n.bytes(bytes)
  return `${size.value} ${size.unit}/s`
}
export const percent = (share: number, { number }: I18n) => `${number(share * 100, share < 0.1 ? 1 : 0)} %`

/** As short as a label on a line has to be. */
export function label(flow: Flow, i18n: I18n): string {
  const parts: string[] = []
  if (flow.rate > 0) {
    parts.push(rateText(flow.rate, i18n))
    if (ill(flow)) parts.push(i18n.t('topology.errorsShort', { share: percent(flow.failed, i18n) }))
    else if (flow.p95 !== undefined) parts.push(i18n.duration(Math.max(1, Math.round(flow.p95))))
  }
  if (flow.bytes > 0 || flow.open > 0) {
    parts.push(sizeText(flow.bytes, i18n))
    if (flow.open > 0 && flow.rate === 0) parts.push(i18n.t('topology.openShort', { n: flow.open }))
  }
  return parts.join(' · ')
}

/** The same in a sentence, for a screen reader and a list. */
export function spoken(flow: Flow, i18n: I18n): string {
  const { t } = i18n
  if (still(flow)) return t('topology.still')
  const parts: string[] = []
  if (flow.rate > 0) {
    parts.push(t('topology.spokenRate', { rate: i18n.number(flow.rate, flow.rate < 10 ? 1 : 0) }))
    if (flow.p95 !== undefined)
      parts.push(t('topology.spokenP95', { time: i18n.duration(Math.max(1, Math.round(flow.p95))) }))
    if (flow.failed > 0) parts.push(t('topology.errorsShort', { share: percent(flow.failed, i18n) }))
  }
  if (flow.bytes > 0 || flow.open > 0)
    parts.push(t('topology.spokenBytes', { rate: sizeText(flow.bytes, i18n), n: flow.open }))
  return i18n.list(parts)
}
