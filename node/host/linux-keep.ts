// Package files of versions that were replaced or removed, kept so that going back works when no source has them any
// more. Bounded: the oldest go first. Decides nothing about packages.
import * as fs from 'node:fs'

/** Of one package: the way back over two releases. */
const versionsMax = 3
/** In all: some hundred usual packages. */
const bytesMax = 1024 ** 3

export interface Keep {
  /** Where the file of this version lies. */
  find(name: string, version: string): string | undefined
  /** Keeps a copy of the file, durably. */
  put(name: string, version: string, file: string): void
}

/** `directory` need not exist; `extension`: `deb`. */
export function openKeep(directory: string, extension: string): Keep {
  const suffix = `.${extension}`
  const escaped = (text: string) => encodeURIComponent(text).replaceAll('_', '%5F')
  const place = (name: string, version: string) =>
    `${directory}/${escaped(name)}_${escaped(version)}${suffix}`

  /** Newest first. */
  const list = () =>
    fs
      .readdirSync(directory)
      .filter(file => file.endsWith(suffix))
      .map(file => ({ file, stat: fs.statSync(`${directory}/${file}`) }))
      .sort((a, b) => b.stat.mtimeMs - a.stat.mtimeMs)

  const bound = () => {
    const versions = new Map<string, number>()
    let bytes = 0
    for (const { file, stat } of list()) {
      const name = file.slice(0, file.indexOf('_'))
      const count = (versions.get(name) ?? 0) + 1
      if (count <= versionsMax && bytes + stat.size <= bytesMax) {
        versions.set(name, count)
        bytes += stat.size
      } else fs.rmSync(`${directory}/${file}`)
    }
  }

  return {
    find: (name, version) => {
      const path = place(name, version)
      return fs.existsSync(path) ? path : undefined
    },
    put: (name, version, file) => {
      fs.mkdirSync(directory, { recursive: true, mode: 0o700 })
      const path = place(name, version)
      const temporary = `${path}.new`
      fs.copyFileSync(file, temporary)
      // Its age is how long ago it was kept, not built.
      const fd = fs.openSync(temporary, 'r+')
      const now = new Date()
      fs.futimesSync(fd, now, now)
      fs.fsyncSync(fd)
      fs.closeSync(fd)
      fs.renameSync(temporary, path)
      bound()
    },
  }
}
