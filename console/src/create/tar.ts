/**
 * Packs a folder that the browser was given into a tar archive, as `tar` with the ustar format would (POSIX.1-1988, with
 * the GNU long-name entry for paths above 100 bytes). Pure but for reading the files.
 */

export interface Packed {
  /** The path inside the archive, with `/`. */
  path: string
  file: Blob
  /** Milliseconds since the epoch. */
  modified: number
}

const block = 512
const text = new TextEncoder()

function header(path: string, size: number, modified: number, type: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(block)
  const put = (value: string, at: number, length: number) =>
    bytes.set(text.encode(value).subarray(0, length), at)
  const octal = (value: number, length: number) => `${value.toString(8).padStart(length - 1, '0')}\0`
  put(path, 0, 100)
  put(octal(0o755, 8), 100, 8)
  put(octal(0, 8), 108, 8)
  put(octal(0, 8), 116, 8)
  put(octal(size, 12), 124, 12)
  put(octal(Math.floor(modified / 1000), 12), 136, 12)
  put('        ', 148, 8)
  put(type, 156, 1)
  put('ustar\0', 257, 6)
  put('00', 263, 2)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 8)
  return bytes
}

const padding = (size: number) => new Uint8Array((block - (size % block)) % block)

/** The archive as parts that a `Blob` joins without reading the files into memory at once. */
export function tar(files: Packed[]): Blob {
  const parts: BlobPart[] = []
  for (const { path, file, modified } of files) {
    const name = text.encode(path)
    if (name.length > 100) {
      parts.push(
        header('././@LongLink', name.length + 1, 0, 'L'),
        name,
        new Uint8Array(1),
        padding(name.length + 1),
      )
    }
    parts.push(header(path, file.size, modified, '0'), file, padding(file.size))
  }
  parts.push(new Uint8Array(2 * block))
  return new Blob(parts, { type: 'application/x-tar' })
}

export async function gzip(archive: Blob): Promise<Blob> {
  const packed = archive.stream().pipeThrough(new CompressionStream('gzip'))
  return new Response(packed).blob()
}
