// What the verbs about paths share when they plan: which owner and mode is wanted, and whether what stands there has
// them. A name that nobody bears, and an owner that an ordinary user cannot give, are reasons.
import type { Act, Look } from '../act.ts'
import type { Reason } from '../errors.ts'
import type { Step } from '../steps/step.ts'
import type { Ownership, Stat } from '../system.ts'
import { readMode } from './values.ts'

/** `modeDefault`: for a step without mode=. Undefined parts: no opinion. */
export function ownershipOf(step: Step, modeDefault: number | undefined, look: Look): Ownership | Reason {
  const uid = idOf(step.options['owner'], name => look.userId(name), look.privileged)
  const gid = idOf(step.options['group'], name => look.groupId(name), look.privileged)
  if (typeof uid === 'string' || typeof gid === 'string') {
    const name = typeof uid === 'string' ? `user ${uid}` : `group ${gid}`
    return {
      code: 'UNKNOWN_OWNER',
      path: step.args[0]!,
      detail: `found no ${name}; expected one that exists`,
    }
  }
  const mode = step.options['mode'] === undefined ? modeDefault : readMode(step.options['mode'])
  return { mode, uid, gid }
}

function idOf(
  name: string | undefined,
  find: (name: string) => number | undefined,
  privileged: boolean,
): number | undefined | string {
  if (name === 'keep' || (name === undefined && !privileged)) return undefined
  return find(name ?? 'root') ?? name ?? 'root'
}

/** The parts of `wanted` that differ; undefined when none does. */
export function lacking(stat: Stat, wanted: Ownership): Ownership | undefined {
  const mode = wanted.mode === stat.mode ? undefined : wanted.mode
  const uid = wanted.uid === stat.uid ? undefined : wanted.uid
  const gid = wanted.gid === stat.gid ? undefined : wanted.gid
  return mode === undefined && uid === undefined && gid === undefined ? undefined : { mode, uid, gid }
}

/** Nothing, or one act that sets what is lacking. */
export function adjust(path: string, stat: Stat, wanted: Ownership): readonly Act[] {
  const ownership = lacking(stat, wanted)
  return ownership === undefined ? [] : [{ kind: 'modify', path, ownership }]
}

/** A file that takes the place of `stat` keeps what the step has no opinion on. */
export function inherit(stat: Stat | undefined, wanted: Ownership, modeDefault: number): Ownership {
  const old = stat?.kind === 'file' ? stat : undefined
  return {
    mode: wanted.mode ?? old?.mode ?? modeDefault,
    uid: wanted.uid ?? old?.uid,
    gid: wanted.gid ?? old?.gid,
  }
}

export function wrongType(path: string, stat: Stat, expected: string): Reason {
  const found = stat.kind === 'other' ? 'a device, pipe or socket' : `a ${stat.kind}`
  return { code: 'WRONG_TYPE', path, detail: `found ${found}; expected ${expected}` }
}
