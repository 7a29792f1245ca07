// ABSENT: nothing stands at a path. What stood there is saved, a directory with all that is in it.
import type { Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import type { VerbSpec } from './verb.ts'

export const absent: VerbSpec = {
  name: 'ABSENT',
  summary: 'Removes a file, link or directory, and keeps it away.',
  example: 'ABSENT /etc/nginx/sites-enabled/default',
  about: [
    'A directory goes with all that is in it, by one rename into the state directory of the agent. On another file system it is copied there first, which above 64 MiB is refused as ONE_WAY. `fleet check` refuses a directory of the base system.',
  ],
  leaves: 'What stood there comes back with its mode, owner and attributes.',
  noticed: 'At once: what appears at PATH is moved to the drift store.',
  args: [{ name: 'PATH', kind: 'path' }],
  options: {},
  key: step => step.args[0]!,
  target: step => step.args[0]!,
  makes: 'nothing',
  // More than 64 MiB across file systems cannot be saved; only the host can see that.
  undo: () => 'exact',
}

export function planAbsent(step: Step, look: Look): Answer {
  const path = step.args[0]!
  return look.stat(path) === undefined ? [] : [{ kind: 'remove', path }]
}
