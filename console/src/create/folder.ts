/** What a folder holds that is worth sending: its files without what a build makes again or must never leave. */
import { gzip, type Packed, tar } from './tar'

/** Folders that every build fills by itself, and the history of the repository. */
const never = new Set([
  '.git',
  '.hg',
  '.svn',
  'node_modules',
  '__pycache__',
  '.venv',
  'venv',
  '.next',
  '.cache',
  '.DS_Store',
])

export interface Folder {
  name: string
  files: Packed[]
  /** Bytes of all files. */
  size: number
  /** Names left out, each once. */
  skipped: string[]
}

function collect(name: string, found: Packed[]): Folder {
  const skipped = new Set<string>()
  const files = found.filter(({ path }) => {
    const left = path.split('/').find((part) => never.has(part))
    if (left) skipped.add(left)
    return left === undefined
  })
  // The same files give the same archive, so that an unchanged folder is built from the cache.
  files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return {
    name,
    files,
    size: files.reduce((sum, { file }) => sum + file.size, 0),
    skipped: [...skipped].sort(),
  }
}

/** From `<input type="file" webkitdirectory>`. */
export function folderOfInput(list: FileList): Folder | undefined {
  const all = [...list]
  const name = all[0]?.webkitRelativePath.split('/')[0]
  if (!name) return undefined
  return collect(
    name,
    all.map((file) => ({
      path: file.webkitRelativePath.slice(name.length + 1),
      file,
      modified: file.lastModified,
    })),
  )
}

/** From a folder dropped on the page. */
export async function folderOfEntry(entry: FileSystemDirectoryEntry): Promise<Folder> {
  const found: Packed[] = []
  const walk = async (directory: FileSystemDirectoryEntry, prefix: string): Promise<void> => {
    const reader = directory.createReader()
    for (;;) {
      // A reader gives its entries in parts, and an empty part at the end.
      const part = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail))
      if (part.length === 0) return
      for (const inner of part) {
        const path = `${prefix}${inner.name}`
        if (never.has(inner.name)) {
          found.push({ path, file: new Blob(), modified: 0 })
        } else if (inner.isDirectory) {
          await walk(inner as FileSystemDirectoryEntry, `${path}/`)
        } else {
          const file = await new Promise<File>((done, fail) =>
            (inner as FileSystemFileEntry).file(done, fail),
          )
          found.push({ path, file, modified: file.lastModified })
        }
      }
    }
  }
  await walk(entry, '')
  return collect(entry.name, found)
}

export const pack = (folder: Folder): Promise<Blob> => gzip(tar(folder.files))
