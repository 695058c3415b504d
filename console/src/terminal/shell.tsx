/** xterm over the exec socket: binary frames are bytes, text frames are words between the console and the server. */
import { FitAddon } from '@xterm/addon-fit'
import { Terminal } from '@xterm/xterm'
import '@xterm/xterm/css/xterm.css'
import { useEffect, useRef, useState } from 'react'
import { root } from '../api/client'
import { applicationPath } from '../api/queries'
import { useI18n } from '../i18n'
import { usePlace } from '../shell/place'
import { useDark } from '../shell/preferences'

const themes = {
  dark: {
    background: '#0b1015',
    foreground: '#d9e2ea',
    cursor: '#58b4e6',
    selectionBackground: '#2b4a5e',
    brightBlack: '#8b98a5',
  },
  light: {
    background: '#f9fafb',
    foreground: '#1b2733',
    cursor: '#0076a8',
    selectionBackground: '#c5e3f3',
    black: '#1b2733',
    red: '#b3261e',
    green: '#146c2e',
    yellow: '#7a5300',
    blue: '#005f8a',
    magenta: '#7a3e9d',
    cyan: '#00696b',
    white: '#5f6b76',
    brightBlack: '#5f6b76',
    brightRed: '#b3261e',
    brightGreen: '#146c2e',
    brightYellow: '#7a5300',
    brightBlue: '#005f8a',
    brightMagenta: '#7a3e9d',
    brightCyan: '#00696b',
    brightWhite: '#1b2733',
  },
}

/** One word as it is; a line is for a shell. The words travel as a JSON array, so that spaces and quotes survive. */
const wordsOf = (command: string) =>
  JSON.stringify(/\s/.test(command.trim()) ? ['/bin/sh', '-c', command] : [command.trim()])

export default function Shell({
  app,
  instance,
  command,
}: {
  app: string
  instance: string
  command: string
}) {
  const { t } = useI18n()
  const place = usePlace()
  const dark = useDark()
  const box = useRef<HTMLDivElement>(null)
  const terminal = useRef<Terminal>(undefined)
  const [ended, setEnded] = useState<string>()
  const path = `${applicationPath(place, app)}/instances/${instance}/exec`
  const words = useRef(t)
  words.current = t
  const startDark = useRef(dark)

  useEffect(() => {
    const element = box.current
    if (!element) return
    const term = new Terminal({
      fontFamily: '"JetBrains Mono Variable", ui-monospace, monospace',
      fontSize: 13,
      screenReaderMode: true,
      scrollback: 5000,
      theme: startDark.current ? themes.dark : themes.light,
    })
    terminal.current = term
    const fit = new FitAddon()
    term.loadAddon(fit)
    term.open(element)
    fit.fit()
    term.focus()
    // The terminal takes every key; this one gives the focus back to the page.
    term.attachCustomKeyEventHandler((event) => {
      if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        document.getElementById('main')?.focus()
        return false
      }
      return true
    })

    const address = new URL(root + path, location.href)
    address.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:'
    address.search = new URLSearchParams({
      ...(command.trim() ? { command: wordsOf(command) } : {}),
      tty: 'true',
      cols: String(term.cols),
      rows: String(term.rows),
    }).toString()
    const socket = new WebSocket(address)
    socket.binaryType = 'arraybuffer'
    const bytes = new TextEncoder()
    let over = false
    const say = (text: string) => {
      if (over) return
      over = true
      setEnded(text)
      term.write(`\r\n\x1b[90m${text}\x1b[0m\r\n`)
    }
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') {
        term.write(new Uint8Array(data))
        return
      }
      const word = JSON.parse(data) as { exit?: number; problem?: { title: string; cause?: string } }
      if (word.exit !== undefined) say(words.current('terminal.exit', { code: word.exit }))
      else if (word.problem) say(`${word.problem.title}: ${word.problem.cause ?? ''}`)
    }
    socket.onclose = () => say(words.current('terminal.closed'))
    const typed = term.onData(
      (text) => socket.readyState === WebSocket.OPEN && socket.send(bytes.encode(text)),
    )
    const resized = term.onResize(({ cols, rows }) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ resize: [cols, rows] }))
    })
    const observer = new ResizeObserver(() => fit.fit())
    observer.observe(element)
    return () => {
      over = true
      observer.disconnect()
      typed.dispose()
      resized.dispose()
      socket.close()
      term.dispose()
    }
  }, [path, command])
  useEffect(() => {
    if (terminal.current) terminal.current.options.theme = dark ? themes.dark : themes.light
  }, [dark])
  return (
    <>
      <div
        ref={box}
        className="min-h-0 flex-1 overflow-hidden bg-code p-3"
        style={{ background: (dark ? themes.dark : themes.light).background }}
      />
      <span className="sr-only" role="status">
        {ended ?? t('terminal.opened')}
      </span>
    </>
  )
}
