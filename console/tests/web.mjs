// The parts of a web server that the mock needs and Node does not bring: the built console as files, event streams, and
// just enough of RFC 6455 for a terminal.
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'

const dist = new URL('../dist/', import.meta.url)
const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
  '.json': 'application/json',
}
// What the real server sends as well: no inline script, nothing from elsewhere. xterm writes style elements.
export const policy =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"

export function serveConsole(path, response) {
  const file = new URL(`.${path}`, dist)
  const found = path !== '/' && extname(path) && existsSync(file)
  if (!found && extname(path)) return response.writeHead(404).end()
  const name = found ? path : '/index.html'
  response.writeHead(200, {
    'content-type': types[extname(name)] ?? 'application/octet-stream',
    'content-security-policy': policy,
  })
  response.end(readFileSync(new URL(`.${name}`, dist)))
}

/** Opens an event stream; the answer writes one event. */
export function eventStream(response) {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  response.write(': open\n\n')
  return (event, data, id) =>
    response.write(
      `${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
    )
}

/** Takes over a socket as a WebSocket. `on(data, binary)` hears messages; the answer sends and closes. */
export function webSocket(request, socket, on) {
  const key = request.headers['sec-websocket-key']
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol ? `Sec-WebSocket-Protocol: ${protocol}\r\n` : ''}\r\n`,
  )
  const frame = (opcode, payload) => {
    const head = payload.length < 126 ? Buffer.from([0x80 | opcode, payload.length]) : Buffer.alloc(4)
    if (payload.length >= 126) {
      head[0] = 0x80 | opcode
      head[1] = 126
      head.writeUInt16BE(payload.length, 2)
    }
    if (!socket.destroyed) socket.write(Buffer.concat([head, payload]))
  }
  let buffered = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    buffered = Buffer.concat([buffered, chunk])
    for (;;) {
      if (buffered.length < 2) return
      const opcode = buffered[0] & 0x0f
      let length = buffered[1] & 0x7f
      let at = 2
      if (length === 126) {
        if (buffered.length < 4) return
        length = buffered.readUInt16BE(2)
        at = 4
      }
      if (buffered.length < at + 4 + length) return
      const mask = buffered.subarray(at, at + 4)
      const data = Buffer.from(
        buffered.subarray(at + 4, at + 4 + length).map((byte, index) => byte ^ mask[index % 4]),
      )
      buffered = buffered.subarray(at + 4 + length)
      if (opcode === 8) {
        frame(8, data.subarray(0, 2))
        socket.end()
        return
      }
      if (opcode === 9) frame(10, data)
      else if (opcode === 1 || opcode === 2) on(data, opcode === 2)
    }
  })
  socket.on('error', () => socket.destroy())
  return {
    text: (text) => frame(1, Buffer.from(text)),
    binary: (text) => frame(2, Buffer.from(text)),
    close: () => {
      frame(8, Buffer.from([0x03, 0xe8]))
      socket.end()
    },
  }
}
