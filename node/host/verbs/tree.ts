// TREE: a folder of the repository becomes a directory of the machine. Expanded into MKDIR, COPY and LINK by
// steps/expand.ts, so that no list of steps ever holds one.
import { checkExclusive, exclusivity, ownership } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const tree: VerbSpec = {
  name: 'TREE',
  summary: 'Copies a folder of the repository with all that is in it.',
  example: 'TREE files/nginx /etc/nginx',
  args: [
    { name: 'FOLDER', kind: 'sourcedir' },
    { name: 'PATH', kind: 'path' },
  ],
  options: {
    mode: { kind: 'mode', doc: 'Of the files; default 0644, or 0755 if executable in git.' },
    ...ownership,
    ...exclusivity,
  },
  key: step => step.args[1]!,
  target: step => step.args[1]!,
  makes: 'directory',
  undo: () => 'exact',
  check: checkExclusive,
}
