// Kept edits as they are shown: what was found, in names instead of numbers, and the step that keeps it. Reads the
// machine's accounts; what becomes of an edit is left to the operator's command line.
import { lstatSync, readFileSync, readlinkSync } from 'node:fs'
import type { FoundView, StepView } from './control.ts'
import type { DriftEntry } from './host/linux-drift.ts'
import { pathsOf, resourcesOf } from './host/plan.ts'
import type { Step } from './host/steps/step.ts'
import { dirname } from './host/system.ts'

/** What is known of an edit, kept or not. */
export type Edited = Pick<DriftEntry, 'id' | 'path' | 'what' | 'type' | 'mode' | 'uid' | 'gid'>

/** An edited file above this is not handed over a socket line (controlLineBytesMax, in Base64). Bytes. */
export const draftBytesMax = 1024 * 1024

type Found = Required<Pick<Edited, 'type' | 'mode' | 'uid' | 'gid'>> & { readonly bytes?: Uint8Array }

/** Undefined: nothing is there. */
export function lookAt(real: string): Found | undefined {
  const stat = lstatSync(real, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  const type = stat.isFile()
    ? 'file'
    : stat.isDirectory()
      ? 'directory'
      : stat.isSymbolicLink()
        ? 'link'
        : 'other'
  const bytes =
    type === 'link'
      ? new Uint8Array(readlinkSync(real, 'buffer'))
      : type === 'file' && stat.size <= draftBytesMax
        ? new Uint8Array(readFileSync(real))
        : undefined
  return { type, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, ...(bytes && { bytes }) }
}

/** The step about a path or resource, or else that of the nearest directory above. */
export function keeperOf(path: string, stepOf: (path: string) => Step | undefined): Step | undefined {
  for (let at = path; ; at = dirname(at)) {
    const found = stepOf(at)
    if (found !== undefined || !at.startsWith('/') || at === '/') return found
  }
}

/** `etc`: the folder with the accounts of the agent's root. */
export function foundView(entry: Edited, step: Step | undefined, etc: string): FoundView | null {
  const { type, mode, uid, gid } = entry
  if (type === undefined || mode === undefined || uid === undefined || gid === undefined) return null
  const root = process.getuid?.() === 0
  const said = (option: string) => root || step?.options[option] !== undefined
  return {
    type,
    mode: mode.toString(8).padStart(4, '0'),
    owner: said('owner') ? nameOf(`${etc}/passwd`, uid) : null,
    group: said('group') ? nameOf(`${etc}/group`, gid) : null,
  }
}

export function stepView({ verb, args, options, payload, origin }: Step): StepView {
  const { file, line, made = null } = origin
  return { verb, args, options, executable: payload?.executable ?? false, file, line, made }
}

function nameOf(file: string, id: number): string {
  if (id === 0) return 'root'
  try {
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [name, , number] = line.split(':')
      if (name && number === String(id)) return name
    }
  } catch {
    // Without accounts a number is all there is.
  }
  return String(id)
}

/**
 * Undefined: a pause of this path or resource has an effect, since a step is about it, about something below it, or about
 * all that is in a directory above it. Else up to three subjects of steps that look most like it.
 */
export function nearestManaged(path: string, steps: readonly Step[]): readonly string[] | undefined {
  const all = steps.flatMap(step => [...pathsOf(step), ...resourcesOf(step)])
  if (all.some(each => each === path || each.startsWith(`${path === '/' ? '' : path}/`))) return undefined
  const whole = steps.filter(({ verb, options }) => verb === 'UNPACK' || options['exclusive'] !== undefined)
  if (whole.flatMap(pathsOf).some(each => path.startsWith(`${each}/`))) return undefined
  return [...new Set(all)]
    .map(each => [each, likeness(path, each)] as const)
    .sort(([a, x], [b, y]) => y - x || a.length - b.length)
    .slice(0, 3)
    .map(([each]) => each)
}

/** Pairs of neighbouring characters in common, of all: Dice's coefficient. */
function likeness(a: string, b: string): number {
  const pairs = (text: string) =>
    new Set(Array.from({ length: Math.max(0, text.length - 1) }, (_, at) => text.slice(at, at + 2)))
  const [mine, theirs] = [pairs(a), pairs(b)]
  const both = [...mine].filter(each => theirs.has(each)).length
  return (2 * both) / Math.max(1, mine.size + theirs.size)
}
