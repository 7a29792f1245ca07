// LINK: a symbolic link. What it points to is written as it stands and need not exist.
import type { Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { adjust, ownershipOf, wrongType } from './observe.ts'
import { ownership } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const link: VerbSpec = {
  name: 'LINK',
  summary: 'Makes a symbolic link.',
  example: 'LINK /etc/nginx/sites-enabled/a -> ../sites-available/a',
  about: [
    'TARGET is written as it stands, absolute or relative to the directory of PATH, and need not exist. The link takes the place of a file, a link or nothing in one rename; a directory at PATH is refused.',
  ],
  leaves: 'What stood at PATH before comes back; where nothing was, the link is removed.',
  noticed: 'At once: another target, another owner, removal.',
  args: [
    { name: 'PATH', kind: 'path' },
    { name: 'TARGET', kind: 'text', after: '->' },
  ],
  options: ownership,
  key: step => step.args[0]!,
  target: step => step.args[0]!,
  makes: 'link',
  undo: () => 'exact',
}

export function planLink(step: Step, look: Look): Answer {
  const path = step.args[0]!
  const target = step.args[1]!
  const ownership = ownershipOf(step, undefined, look)
  if ('code' in ownership) return ownership
  const stat = look.stat(path)
  if (stat?.kind === 'directory' || stat?.kind === 'other')
    return wrongType(path, stat, 'a link, a file or nothing')
  if (stat?.kind === 'link' && look.readlink(path) === target) return adjust(path, stat, ownership)
  return [{ kind: 'link', path, target, ownership }]
}
