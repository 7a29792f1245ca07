// What a saved original is known by: taken when it is saved, compared before it is put back. Reads only; where the sum
// is kept is left to journal.ts, what follows from damage to plan.ts and perform.ts.
import { sha256 } from './digest.ts'
import { join, type Stat, type System } from './system.ts'

export interface Sum {
  /** Lowercase hex: of a file's bytes, a link's target, or the walk of a tree. */
  readonly sha256: string
  /** Bytes; of a tree, of all its files. */
  readonly size: number
  /** It is known to have neither ACL nor extended attributes. */
  readonly plain?: true
}

type Readable = Pick<System, 'lstat' | 'digest' | 'readlink' | 'list'>

/** Of a larger tree, the files that the walk meets later count by size alone, or removing one would read gigabytes. Bytes. */
const treeBytesMax = 64 * 1024 * 1024
const encoder = new TextEncoder()

/** Of whatever stands at `path`, a target or a name in the state directory. Throws StepError. */
export function sumOf(machine: Readable, path: string): Sum | undefined {
  const stat = machine.lstat(path)
  if (stat === undefined) return undefined
  if (stat.kind !== 'directory') return { sha256: contentOf(machine, path, stat), size: stat.size }
  const lines: string[] = []
  let size = 0
  const visit = (at: string) => {
    for (const name of machine.list(at)) {
      const child = join(at, name)
      const found = machine.lstat(child)
      if (found === undefined) continue
      if (found.kind === 'file') size += found.size
      const content = size > treeBytesMax ? '' : contentOf(machine, child, found)
      const { kind, mode, uid, gid } = found
      const bytes = kind === 'file' ? found.size : 0
      lines.push(JSON.stringify([child.slice(path.length), kind, mode, uid, gid, bytes, content]))
      if (kind === 'directory') visit(child)
    }
  }
  visit(path)
  return { sha256: sha256(encoder.encode(lines.join('\n'))), size }
}

/** What is wrong with a saved thing; undefined: it is what was saved. Without `sum` (journals of version 1): its kind. */
export function damageOf(
  machine: Readable,
  saved: string,
  kind: Stat['kind'],
  sum: Sum | undefined,
): string | undefined {
  const stat = machine.lstat(saved)
  if (stat?.kind !== kind)
    return `found ${stat?.kind ?? 'nothing'} at ${saved}; expected the ${kind} saved there`
  const now = sum && sumOf(machine, saved)
  if (now === undefined || (now.sha256 === sum!.sha256 && now.size === sum!.size)) return undefined
  const words = ({ sha256, size }: Sum) => `sha256 ${sha256.slice(0, 16)}…, ${size} bytes`
  return `found ${words(now)} at ${saved}; expected ${words(sum!)}`
}

function contentOf(machine: Readable, path: string, { kind }: Stat): string {
  if (kind === 'file') return machine.digest(path)
  return kind === 'link' ? sha256(encoder.encode(machine.readlink(path))) : ''
}
