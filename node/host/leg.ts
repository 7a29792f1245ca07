// The acts of one leg of a run while they are planned: what each finds, where what it replaces is saved, which of them
// become one, and where the leg ends because nobody can say what comes of the acts before.
import type { Act, SetAct } from './act.ts'
import { kindOf, type ResourceId, sameState } from './resource.ts'
import type { Sum } from './saved.ts'
import type { Ownership, Stat } from './system.ts'
import { isUnitFile } from './verbs/unit.ts'
import type { View } from './view.ts'

/** An act with what was found where it acts. */
export interface Planned {
  readonly act: Act
  /** Null: nothing. Of a path that an earlier act touches: a prediction. */
  readonly before: Stat | null
  /** The first act on its path in this leg: its `before` is real, and what a failed leg returns to. */
  readonly first: boolean
  /** Where what it replaces is saved, in the state directory. */
  readonly saved?: string
  /** A file that is saved as an original although it is on the machine at no time. */
  readonly keeps?: { readonly saved: string; readonly bytes: Uint8Array; readonly ownership: Ownership }
  /** What it replaces was edited since fleet made it: a copy goes to the drift store first. */
  readonly drifted: boolean
  /** Whose ACL and extended attributes the new file takes over: those of the old one, or of an original by its name. */
  readonly carry?: string
  /** A command that is owed because a path that it watches changed. */
  readonly reload: boolean
}

/** Where acts go: those of one step. */
export type Acts = Planned[]

export interface Adding {
  readonly drifted?: boolean
  readonly reload?: boolean
  /** What the step replaces, it made itself. */
  readonly made?: boolean
  /** The original that a repaired file looked like, if there was a file. */
  readonly like?: { readonly saved: string; readonly sum?: Sum }
}

export interface Leg {
  /** All acts so far, in no order. */
  readonly touched: readonly Act[]
  /** What follows is planned again once the acts before it are done. */
  over(): boolean
  close(): void
  /**
   * What came of acts before this one cannot be known, such as what a unit is whose file they write: the leg ends
   * before it.
   */
  ends(act: Act): boolean
  /** The kind of acts at the end of the leg of which nobody can say what they do to paths. */
  opaque(): string | undefined
  /** Undefined: together with an earlier one there is nothing to do. */
  add(acts: Acts, act: Act, adding?: Adding): Planned | undefined
  earlierAt(path: string): Planned | undefined
  /** Takes the place of the last act of `acts`. */
  amend(acts: Acts, planned: Planned): void
  saveAs(): string
}

/** Packages, accounts and units make and change files; a command may do anything. */
function opacity(act: Act): string | undefined {
  switch (act.kind) {
    case 'run':
    case 'unpack':
      return act.kind
    case 'set': {
      const kind = kindOf(act.id)
      return kind === 'package' || kind === 'user' || kind === 'unit' ? kind : undefined
    }
    default:
      return undefined
  }
}

export function isOpaque(act: Act): boolean {
  return opacity(act) !== undefined
}

/** `name` is that of no other leg of any run: what is saved has it in its name. */
export function createLeg(view: View, name: string): Leg {
  const firstAt = new Map<string, { acts: Acts; planned: Planned }>()
  const setAt = new Map<ResourceId, { acts: Acts; planned: Planned }>()
  const touched: Act[] = []
  let opaque: string | undefined
  let over = false
  let count = 0
  const saveAs = () => `saved/${name}-${count++}`
  const plain = (act: Act, reload = false): Planned => ({
    act,
    before: null,
    first: false,
    drifted: false,
    reload,
  })
  const push = (acts: Acts, planned: Planned) => {
    acts.push(planned)
    return planned
  }

  const addSet = (acts: Acts, act: SetAct, drifted: boolean): Planned | undefined => {
    const earlier = setAt.get(act.id)
    const was = earlier?.planned.act as SetAct | undefined
    if (earlier) earlier.acts.splice(earlier.acts.indexOf(earlier.planned), 1)
    const from = was ? was.from : act.from
    view.predict(act)
    touched.push(act)
    setAt.delete(act.id)
    if (sameState(from, act.to)) return undefined
    const planned = {
      ...plain({ ...act, from }),
      first: true,
      drifted: drifted || (earlier?.planned.drifted ?? false),
    }
    setAt.set(act.id, { acts, planned })
    return push(acts, planned)
  }

  const add: Leg['add'] = (acts, act, { drifted = false, reload = false, made = false, like } = {}) => {
    if (!reload) opaque = opacity(act) ?? opaque
    if (act.kind === 'set') return addSet(acts, act, drifted)
    if (!('path' in act)) return push(acts, plain(act, reload))
    const earlier = firstAt.get(act.path)
    const before = view.stat(act.path) ?? null
    view.predict(act)
    touched.push(act)
    if (earlier) {
      const { act: old } = earlier.planned
      const replaceable = act.kind === 'put' || act.kind === 'link' || act.kind === 'remove'
      const was = earlier.planned.before
      // A file that changes its step, or gets two lines, changes once: nobody sees it missing or half done.
      if (
        replaceable &&
        'path' in old &&
        old.kind !== 'mkdir' &&
        old.kind !== 'rmdir' &&
        was?.kind !== 'directory' &&
        (was !== null || act.kind !== 'remove')
      ) {
        earlier.acts.splice(earlier.acts.indexOf(earlier.planned), 1)
        const planned = {
          ...earlier.planned,
          act,
          ...(act.kind === 'put' && was?.kind === 'file' ? { carry: act.path } : {}),
          drifted: earlier.planned.drifted || drifted,
          ...(was !== null && earlier.planned.saved === undefined ? { saved: saveAs() } : {}),
        }
        firstAt.set(act.path, { acts, planned })
        return push(acts, planned)
      }
      return push(acts, { ...plain(act), before })
    }
    const replaces = before !== null && act.kind !== 'modify' && act.kind !== 'rmdir' && act.kind !== 'mkdir'
    // A tree that fleet unpacked may be larger than what is saved; until the run is done it waits beside its place.
    const whole = made && act.kind === 'remove' && before?.kind === 'directory' && !drifted
    // An editor may have replaced the file, and lost what hung on it.
    const old = !made && before?.kind === 'file' ? act.path : undefined
    const carry = act.kind !== 'put' ? undefined : like ? (like.sum?.plain ? undefined : like.saved) : old
    const planned: Planned = {
      act,
      before,
      first: true,
      drifted: drifted && before !== null,
      ...(carry === undefined ? {} : { carry }),
      reload: false,
      ...(replaces && !whole ? { saved: saveAs() } : {}),
    }
    firstAt.set(act.path, { acts, planned })
    return push(acts, planned)
  }

  return {
    touched,
    over: () => over,
    close: () => {
      over = true
      // What is added from here on is only shown: it must not become one with what is done.
      firstAt.clear()
      setAt.clear()
    },
    ends: act =>
      (opaque !== undefined && act.kind !== 'check' && opacity(act) !== opaque) ||
      (act.kind === 'set' &&
        kindOf(act.id) === 'unit' &&
        touched.some(each => 'path' in each && isUnitFile(each.path))),
    opaque: () => opaque,
    add,
    earlierAt: path => firstAt.get(path)?.planned,
    amend: (acts, planned) => {
      acts[acts.length - 1] = planned
      if ('path' in planned.act) firstAt.set(planned.act.path, { acts, planned })
    },
    saveAs,
  }
}
