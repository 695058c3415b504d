/** Numbers, sizes, times and durations in the reader's language; times in the browser's zone, on a 24-hour clock. */
import type { Language } from '.'

/** A number and its unit apart, since the unit is drawn lighter and smaller. */
export interface Measure {
  value: string
  unit: string
}

export interface Formats {
  number: (n: number, digits?: number) => string
  /** Bytes as MiB or GiB. */
  bytes: (n: number) => Measure
  /** Milliseconds as `1 m 24 s`, `3.2 s`, `48 ms`. */
  duration: (ms: number) => string
  /** Milliseconds as `1:08`, for what is still going on. */
  clock: (ms: number) => string
  /** `2 min ago`. */
  ago: (at: string | number | Date, now?: number) => string
  /** `12:24:05`. */
  time: (at: string | number | Date, millis?: boolean) => string
  /** `12:24` today, `yesterday 12:24`, `Wed 12:24`, `3 Apr 12:24`, with the year when it is another. */
  when: (at: string | number | Date, now?: number) => string
  /** The moment in UTC, for a title. */
  utc: (at: string | number | Date) => string
  list: (items: string[]) => string
}

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
// U+202F, a narrow no-break space: a number and its unit stay together.
const thin = '\u202f'

export function formats(language: Language, locale: string): Formats {
  const plain = new Map<number, Intl.NumberFormat>()
  const number = (n: number, digits = 0) => {
    let format = plain.get(digits)
    if (!format) {
      format = new Intl.NumberFormat(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits })
      plain.set(digits, format)
    }
    return format.format(n)
  }
  const units =
    language === 'zh'
      ? { d: '天', h: '小时', m: '分', s: '秒', ms: '毫秒' }
      : { d: 'd', h: 'h', m: 'm', s: 's', ms: 'ms' }
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'short' })
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
  const hm = new Intl.DateTimeFormat(locale, options)
  const hms = new Intl.DateTimeFormat(locale, { ...options, second: '2-digit' })
  const hmsm = new Intl.DateTimeFormat(locale, { ...options, second: '2-digit', fractionalSecondDigits: 3 })
  const weekday = new Intl.DateTimeFormat(locale, { weekday: 'short', ...options })
  const date = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short', ...options })
  const dated = new Intl.DateTimeFormat(locale, {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    ...options,
  })
  const lists = new Intl.ListFormat(locale, { type: 'conjunction' })
  const two = (n: number) => String(n).padStart(2, '0')

  return {
    number,
    bytes(n) {
      const mib = n / 1024 ** 2
      if (mib >= 1024) return { value: number(mib / 1024, mib >= 10240 ? 0 : 1), unit: 'GiB' }
      if (mib >= 1) return { value: number(mib, mib < 10 ? 1 : 0), unit: 'MiB' }
      if (n >= 1024) return { value: number(n / 1024), unit: 'KiB' }
      return { value: number(n), unit: 'B' }
    },
    duration(ms) {
      const pair = (a: number, ua: string, b: number, ub: string) =>
        b ? `${a}${thin}${ua} ${b}${thin}${ub}` : `${a}${thin}${ua}`
      if (ms < second) return `${number(Math.max(0, ms))}${thin}${units.ms}`
      if (ms < 10 * second) return `${number(ms / second, 1)}${thin}${units.s}`
      if (ms < minute) return `${number(Math.round(ms / second))}${thin}${units.s}`
      if (ms < hour)
        return pair(Math.floor(ms / minute), units.m, Math.floor((ms % minute) / second), units.s)
      if (ms < day) return pair(Math.floor(ms / hour), units.h, Math.floor((ms % hour) / minute), units.m)
      return pair(Math.floor(ms / day), units.d, Math.floor((ms % day) / hour), units.h)
    },
    clock(ms) {
      const total = Math.max(0, Math.floor(ms / second))
      const hours = Math.floor(total / 3600)
      const minutes = Math.floor((total % 3600) / 60)
      return hours ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`
    },
    ago(at, now = Date.now()) {
      const past = new Date(at).getTime() - now
      const size = Math.abs(past)
      if (size < 45 * second) return relative.format(0, 'second')
      if (size < 45 * minute) return relative.format(Math.round(past / minute), 'minute')
      if (size < 22 * hour) return relative.format(Math.round(past / hour), 'hour')
      return relative.format(Math.round(past / day), 'day')
    },
    time: (at, millis = false) => (millis ? hmsm : hms).format(new Date(at)),
    when(at, now = Date.now()) {
      const then = new Date(at)
      const today = new Date(now)
      const days = Math.round((midnight(today) - midnight(then)) / day)
      if (days === 0) return hm.format(then)
      if (days === 1) return `${relative.format(-1, 'day')} ${hm.format(then)}`
      if (days > 1 && days < 7) return weekday.format(then)
      return (then.getFullYear() === today.getFullYear() ? date : dated).format(then)
    },
    utc: (at) => new Date(at).toISOString().replace('T', ' ').replace('Z', ' UTC'),
    list: (items) => lists.format(items),
  }
}

const midnight = (at: Date) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()
