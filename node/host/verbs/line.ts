// LINE: one line of a file that somebody else owns. Undo puts back that line only.
import { quote } from '../steps/words.ts'
import type { VerbSpec } from './verb.ts'

export const line: VerbSpec = {
  name: 'LINE',
  summary: 'Keeps one line in a file that is otherwise left alone; the file must be there.',
  example: 'LINE /etc/ssh/sshd_config "PermitRootLogin no" match="^#?\\s*PermitRootLogin\\b"',
  args: [
    { name: 'PATH', kind: 'path' },
    { name: 'TEXT', kind: 'text' },
  ],
  options: {
    match: {
      kind: 'regex',
      doc: 'The first line that matches is replaced, later ones that match are removed; default: a line equal to TEXT. Where none matches, TEXT is added at the end.',
    },
  },
  key: step => `${step.args[0]} ${quote(step.options['match'] ?? step.args[1]!)}`,
  target: step => step.args[0]!,
  makes: 'line',
  undo: () => 'exact',
  check: step => {
    const match = step.options['match']
    return match === undefined || new RegExp(match, 'u').test(step.args[1]!)
      ? undefined
      : 'found a text that match= does not match; expected one that it finds again on the next run'
  },
}
