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
