// A package manager that must not touch a managed configuration file puts its new version beside it. That is what would
// be there without fleet: it takes the place of the saved original. Synchronous, through System; when is left to the
// loop.
import type { Entry, State } from './journal.ts'
import { hasDirectory } from './perform.ts'
import type { Held } from './plan.ts'
import { sumOf } from './saved.ts'
import { dirname, join, type System } from './system.ts'
import { suppliedSuffixes } from './watch.ts'

interface Adopting {
  readonly machine: System
  readonly state: () => State
  readonly note: (entry: Entry) => void
}

/**
 * Beside these targets, or beside all that are in force. Answers whose original was replaced. A crash in between leaves
 * the old original or the new one, and at worst the package's file to be found again.
 */
export function adoptOriginals(
  { machine, state, note }: Adopting,
  paths?: readonly string[],
): readonly string[] {
  const { held, about, runs, open } = state()
  if (about === undefined || open !== undefined) return []
  const wanted = paths && new Set(paths)
  const saved = new Set(held.flatMap(savedPaths).filter(path => wanted?.has(path) ?? true))
  /** By the path that it would have taken. */
  const found = new Map<string, string>()
  for (const home of new Set([...saved].map(dirname))) {
    if (!hasDirectory(machine, home)) continue
    for (const name of machine.list(home)) {
      const suffix = suppliedSuffixes.find(each => name.endsWith(each))
      const path = suffix && join(home, name.slice(0, -suffix.length))
      if (path && saved.has(path) && machine.lstat(join(home, name))?.kind === 'file')
        found.set(path, join(home, name))
    }
  }
  if (found.size === 0) return []

  const taken: string[] = []
  const replaced: string[] = []
  const fresh = () => {
    let count = 0
    while (machine.lstat(`saved/${runs}-a${count}`) !== undefined) count++
    return `saved/${runs}-a${count}`
  }
  const next = held.map((each): Held => {
    const originals = each.originals.map(original => {
      const supplied = original.was === 'saved' ? found.get(original.path) : undefined
      const stat = supplied && machine.lstat(supplied)
      if (original.was !== 'saved' || !supplied || !stat) return original
      const place = fresh()
      if (!machine.link(supplied, place)) machine.copy(supplied, place)
      const sum = sumOf(machine, place)
      taken.push(place)
      replaced.push(original.saved)
      return { ...original, saved: place, stat, ...(sum && { sum }) }
    })
    return { ...each, originals }
  })
  machine.flush([...taken, 'saved/.'])
  note({ kind: 'done', about, held: next, dirty: [] })
  for (const supplied of found.values()) machine.unlink(supplied)
  for (const name of replaced) machine.removeTree(name)
  machine.flush([...new Set([...found.values()].map(dirname))].map(home => `${home}/.`))
  return [...found.keys()].sort()
}

function savedPaths({ originals }: Held): string[] {
  return originals.flatMap(each => (each.was === 'saved' && each.stat.kind === 'file' ? [each.path] : []))
}
