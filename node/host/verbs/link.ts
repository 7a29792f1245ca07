// LINK: a symbolic link. What it points to is written as it stands and need not exist.
import { ownership } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const link: VerbSpec = {
  name: 'LINK',
  summary: 'Makes a symbolic link.',
  example: 'LINK /etc/nginx/sites-enabled/a -> ../sites-available/a',
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
