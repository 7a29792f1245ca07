// TREE -> MKDIR, COPY and LINK: parents before what is in them, in the order of the path's bytes. A base directory is
// the system's: TREE copies into it and has no opinion about its mode.

import { baseDirectories } from './base.ts'
import { compareBytes, type Sources } from './sources.ts'
import type { Payload } from './step.ts'

/** A step without its identity and its place. */
export interface Draft {
  readonly verb: string
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string>>
  readonly payload?: Payload
}

/**
 * `linkTarget` gives the text of a symbolic link in the folder, undefined when it is not there yet. The paths are
 * those of a TREE whose arguments have been checked.
 */
export function expandTree(
  { args, options }: Pick<Draft, 'args' | 'options'>,
  sources: Sources,
  linkTarget: (path: string) => string | undefined,
): readonly Draft[] {
  const [folder, target] = [args[0]!, args[1]!]
  const { mode, exclusive, ignore, ...ownership } = options
  const found = new Map<string, string | undefined>([[target, undefined]])
  for (const path of sources.below(folder)) {
    const inside = path.slice(folder.length)
    for (let slash = inside.indexOf('/', 1); slash >= 0; slash = inside.indexOf('/', slash + 1))
      found.set(target + inside.slice(0, slash), undefined)
    found.set(target + inside, path)
  }

  const directory = (path: string): readonly Draft[] => {
    const only = exclusive === undefined ? {} : { exclusive, ...(ignore === undefined ? {} : { ignore }) }
    if (!baseDirectories.has(path))
      return [{ verb: 'MKDIR', args: [path], options: { ...ownership, ...only } }]
    if (exclusive === undefined) return []
    const keep = { ...ownership, mode: 'keep', owner: 'keep', group: 'keep' }
    return [{ verb: 'MKDIR', args: [path], options: { ...keep, ...only } }]
  }

  return [...found]
    .sort(([a], [b]) => compareBytes(a, b))
    .flatMap(([path, source]): readonly Draft[] => {
      const file = source === undefined ? undefined : sources.files.get(source)
      if (source === undefined || file === undefined) return directory(path)
      if (file.mode === '120000') {
        const to = linkTarget(source)
        return to === undefined ? [] : [{ verb: 'LINK', args: [path, to], options: ownership }]
      }
      const payload = payloadOf(source, file)
      return [
        {
          verb: 'COPY',
          args: [source, path],
          options: mode === undefined ? ownership : { mode, ...ownership },
          payload,
        },
      ]
    })
}

export function payloadOf(
  path: string,
  file: { readonly mode: string; readonly sha256: string; readonly size: number },
): Payload {
  return { path, sha256: file.sha256, size: file.size, executable: file.mode === '100755' }
}
