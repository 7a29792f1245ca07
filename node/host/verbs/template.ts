// TEMPLATE: a file of the repository with values put in. Rendered while the declaration is read; to the planner it is
// a COPY of the rendered bytes.
import { checkContent, content } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const template: VerbSpec = {
  name: 'TEMPLATE',
  summary: 'Copies a file of the repository with its variables replaced by values.',
  example: 'TEMPLATE files/motd.tmpl /etc/motd',
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
