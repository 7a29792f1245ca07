// MODE: mode and owner of a file or directory whose content is somebody else's.
import type { Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { adjust, ownershipOf, wrongType } from './observe.ts'
import { ownership } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const mode: VerbSpec = {
  name: 'MODE',
  summary: 'Sets mode and owner of a file or directory whose content is not declared.',
  example: 'MODE /usr/bin/at mode=0750 group=adm',
  about: [
    'The path must be there, and stays when the step leaves. What is below a directory is left alone. A symbolic link is refused: name what it points to.',
    'A path whose content is declared has mode= and owner= on the step that makes it; MODE beside that step is an error.',
  ],
  leaves:
    'Mode, owner and group that were set return to what they were; those that the step did not name stay.',
  noticed: 'At once, by inotify on the directory that holds the path.',
  args: [{ name: 'PATH', kind: 'path' }],
  options: {
    mode: { kind: 'mode', doc: 'Default: no opinion.' },
    owner: { ...ownership.owner, doc: 'User name or number; default: no opinion.' },
    group: { ...ownership.group, doc: 'Group name or number; default: no opinion.' },
  },
  key: step => step.args[0]!,
  target: step => step.args[0]!,
  makes: 'attributes',
  undo: () => 'exact',
  check: ({ options }) =>
    Object.values(options).some(value => value !== 'keep')
      ? undefined
      : 'found MODE without an opinion; expected mode=, owner= or group=',
}

export function planMode(step: Step, look: Look): Answer {
  const path = step.args[0]!
  const wanted = ownershipOf(
    { ...step, options: { owner: 'keep', group: 'keep', ...step.options } },
    undefined,
    look,
  )
  if ('code' in wanted) return wanted
  const stat = look.stat(path)
  if (stat === undefined)
    return { code: 'NO_TARGET', path, detail: 'found nothing; expected a file or directory' }
  if (stat.kind === 'link' || stat.kind === 'other') return wrongType(path, stat, 'a file or directory')
  return adjust(path, stat, wanted)
}
