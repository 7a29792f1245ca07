// COPY: a file of the repository, byte for byte.
import { checkContent, content } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const copy: VerbSpec = {
  name: 'COPY',
  summary: 'Copies a file of the repository.',
  example: 'COPY files/sudo.web /etc/sudoers.d/web mode=0440 validate="visudo -cf %s"',
  args: [
    { name: 'FILE', kind: 'source' },
    { name: 'PATH', kind: 'path' },
  ],
  options: content,
  key: step => step.args[1]!,
  target: step => step.args[1]!,
  makes: 'file',
  undo: () => 'exact',
  check: checkContent,
}
