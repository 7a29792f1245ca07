// The files of the release that steps draw from: by path, and by folder in the order of their bytes.

/** As the git tree of the release has them; a mode of 120000 is a symbolic link, whose text is its target. */
export interface SourceFile {
  readonly mode: '100644' | '100755' | '120000'
  /** Lowercase hex. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

export type SourceFiles = ReadonlyMap<string, SourceFile>

export interface Sources {
  readonly files: SourceFiles
  /** The paths of all files below a folder, in bytewise order; none when there is no such folder. */
  readonly below: (folder: string) => readonly string[]
}

export function sourcesOf(files: SourceFiles): Sources {
  let sorted: readonly string[] | undefined
  return {
    files,
    below: folder => {
      sorted ??= [...files.keys()].sort(compareBytes)
      const prefix = `${folder}/`
      let [low, high] = [0, sorted.length]
      while (low < high) {
        const middle = (low + high) >> 1
        if (compareBytes(sorted[middle]!, prefix) < 0) low = middle + 1
        else high = middle
      }
      let end = low
      while (sorted[end]?.startsWith(prefix)) end++
      return sorted.slice(low, end)
    },
  }
}

/** The order of the UTF-8 bytes of two texts. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const x = a.charCodeAt(at)
    const y = b.charCodeAt(at)
    if (x !== y) return rank(x) - rank(y)
  }
  return a.length - b.length
}

/** UTF-16 puts surrogates below U+E000, UTF-8 puts what they stand for above. */
function rank(unit: number): number {
  return unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
