// TREE: a folder of the repository becomes a directory of the machine. Expanded into MKDIR, COPY and LINK by
// steps/expand.ts, so that no list of steps ever holds one.
import { checkExclusive, exclusivity, ownership } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const tree: VerbSpec = {
  name: 'TREE',
  summary: 'Copies a folder of the repository with all that is in it.',
  example: 'TREE files/nginx /etc/nginx',
  about: [
    'Becomes MKDIR for FOLDER and each folder in it, COPY for each file and LINK for each symbolic link, in the order of their bytes. Each is a step of its own, known by its path: a file that leaves FOLDER is taken back like any step that leaves.',
    'A directory of the base system (/etc, /etc/default and the like) keeps its mode and owner, and one that an earlier MKDIR or TREE makes is left to it. Git keeps no empty folders: MKDIR makes those.',
    'exclusive holds for every directory of the tree: see MKDIR.',
  ],
  leaves: 'As its MKDIR, COPY and LINK do, the last first.',
  noticed: 'As its MKDIR, COPY and LINK are.',
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
