// What GROUP and USER share: which number an account gets, and what their options may not say.
import { freeId } from '../accounts.ts'
import type { Look } from '../act.ts'
import type { Reason } from '../errors.ts'
import type { ResourceId, States } from '../resource.ts'

type Options = Readonly<Record<string, string>>

export interface Wish {
  readonly name: string
  /** Declared; else one of `rather` if nobody has it, else the next free one. */
  readonly id: number | undefined
  readonly rather: readonly (number | undefined)[]
  readonly system: boolean
}

/** A number that no other user (or group) has; pure over what is there and what this run makes, so that plans are exact. */
export function chooseId(
  kind: 'user' | 'group',
  { name, id, rather, system }: Wish,
  look: Look,
): number | Reason {
  const taken = new Map(
    [...look.states(kind)].map(([other, state]) => [
      kind === 'user' ? (state as States['user']).uid : (state as States['group']).gid,
      other,
    ]),
  )
  const number = kind === 'user' ? 'uid' : 'gid'
  const reason = (found: string, expected: string): Reason => ({
    code: 'ID_TAKEN',
    path: `${kind}:${name}`,
    detail: `found ${found}; expected ${expected}`,
  })
  if (id !== undefined)
    return taken.has(id)
      ? reason(`the ${kind} ${taken.get(id)} with ${number} ${id}`, `a free ${number}`)
      : id
  const favourite = rather.find(each => each !== undefined && each >= 100 && !taken.has(each))
  return favourite ?? freeId(new Set(taken.keys()), system) ?? reason(`no free ${number}`, 'one in the range')
}

/** `absent` says all there is to say. */
export function checkAbsent(options: Options): string | undefined {
  const other = Object.keys(options).find(name => name !== 'absent')
  return options['absent'] === undefined || other === undefined
    ? undefined
    : `found ${other} beside absent; expected absent alone`
}

/** (uid_t) -1 means nobody to the kernel, and 65535 the same to its old interfaces. */
export function checkId(options: Options, name: 'uid' | 'gid'): string | undefined {
  const text = options[name]
  return text === undefined || (Number(text) < 0xffff_ffff && text !== '65535')
    ? undefined
    : `found ${name}=${text}; expected at most 4294967294, and not 65535`
}

/** No provider: nothing can be said about accounts here. */
export function noAccounts(path: ResourceId): Reason {
  return { code: 'TOOL_MISSING', path, detail: 'found no way to users and groups here; expected /etc/passwd' }
}
