// MKDIR: a directory, its mode and owner, and, when exclusive, that nothing undeclared is in it.
import type { Act, Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { join } from '../system.ts'
import { adjust, ownershipOf, wrongType } from './observe.ts'
import { checkExclusive, exclusivity, ownership, readList } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const mkdir: VerbSpec = {
  name: 'MKDIR',
  summary: 'Makes a directory.',
  example: 'MKDIR /etc/sudoers.d mode=0750 exclusive ignore=*.dpkg-*',
  about: [
    'One directory: that above it is declared before it or belongs to the base system. Mode and owner are enforced on a directory that was there before, too; what is in it is not looked at.',
    'exclusive makes it whole: whatever is in it that no step declares and that leads to no declared path is saved and removed, now and whenever it appears. ignore= names what may stay, by * and ?.',
  ],
  leaves:
    'A directory that the step made is removed if it is empty, else left behind; one that was there gets its mode and owner back. What exclusive removed at first comes back, what appeared later is in the drift store.',
  noticed: 'At once: removal, mode and owner; with exclusive also what appears in it.',
  args: [{ name: 'PATH', kind: 'path' }],
  options: {
    mode: { kind: 'mode', doc: 'Default 0755; keep: no opinion.' },
    ...ownership,
    ...exclusivity,
  },
  key: step => step.args[0]!,
  target: step => step.args[0]!,
  makes: 'directory',
  undo: () => 'exact',
  check: checkExclusive,
}

export function planMkdir(step: Step, look: Look): Answer {
  const path = step.args[0]!
  const ownership = ownershipOf(step, 0o755, look)
  if ('code' in ownership) return ownership
  const stat = look.stat(path)
  if (stat === undefined)
    return [{ kind: 'mkdir', path, ownership: { ...ownership, mode: ownership.mode ?? 0o755 } }]
  if (stat.kind !== 'directory') return wrongType(path, stat, 'a directory or nothing')
  const acts: Act[] = [...adjust(path, stat, ownership)]
  if (step.options['exclusive'] === undefined) return acts
  const ignored = readList(step.options['ignore'] ?? '').map(globToRegex)
  for (const name of look.list(path)) {
    const child = join(path, name)
    if (!look.declared(child) && !ignored.some(glob => glob.test(name)))
      acts.push({ kind: 'remove', path: child })
  }
  return acts
}

/** `*` any characters, `?` one; a leading dot is nothing special. */
function globToRegex(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`, 'su')
}
