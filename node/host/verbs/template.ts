// TEMPLATE: a file of the repository with values put in. Rendered while the declaration is read; to the planner it is
// a COPY of the rendered bytes.
import { checkContent, content } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const template: VerbSpec = {
  name: 'TEMPLATE',
  summary: 'Copies a file of the repository with its variables replaced by values.',
  example: 'TEMPLATE files/motd.tmpl /etc/motd',
  about: [
    `As COPY in all else. \${var.NAME} \${host.name} \${host.address} \${label.KEY} \${fact.NAME} \${hosts.KEY=VALUE.address} stand for values; $\${ writes \${. There is no logic: what differs more than by a value is two files and a WHEN.`,
    'Facts are those that were frozen when the host last took a release, so a machine that is resized rewrites nothing by itself: it shows FACTS CHANGED until the next release or `fleet apply`.',
    'A variable without a value on any host is an error of `fleet check`. At most 4 MiB, before and after.',
  ],
  leaves: 'As COPY.',
  noticed: 'As COPY.',
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
