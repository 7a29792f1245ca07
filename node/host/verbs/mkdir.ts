// MKDIR: a directory, its mode and owner, and, when exclusive, that nothing undeclared is in it.
import { checkExclusive, exclusivity, ownership } from './values.ts'
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
