// LINE: one line of a file that somebody else owns. Undo puts back that line only.
import type { Answer, LineOriginal, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { quote } from '../steps/words.ts'
import { wrongType } from './observe.ts'
import type { VerbSpec } from './verb.ts'

export const line: VerbSpec = {
  name: 'LINE',
  summary: 'Keeps one line in a file that is otherwise left alone; the file must be there.',
  example: 'LINE /etc/ssh/sshd_config "PermitRootLogin no" match="^#?\\s*PermitRootLogin\\b"',
  about: [
    'For a file that belongs to something else, such as a package. Several LINEs may share a file; LINE beside a step that writes the whole file is refused. The step is known by PATH and match=, or TEXT.',
    'match= is a JavaScript regular expression, tried on each line, and must match TEXT too. The first line that matches becomes TEXT in its place, later ones are removed; where none matches, TEXT goes to the end. The file must be UTF-8 text of at most 16 MiB; its mode and owner stay as they are.',
  ],
  leaves:
    'The line that TEXT replaced comes back in its place, and so do those that were removed; a line that was added goes. All else in the file stays as it is, edits included.',
  noticed: 'At once, when the file changes; changes of other lines are left alone.',
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

/** Files that people edit line by line are far smaller; above, something else is meant. Bytes. */
export const lineFileBytesMax = 16 * 1024 * 1024

export function planLine(step: Step, look: Look): Answer {
  const path = step.args[0]!
  const text = step.args[1]!
  const stat = look.stat(path)
  if (stat === undefined) return { code: 'WRONG_TYPE', path, detail: 'found nothing; expected a file' }
  if (stat.kind !== 'file') return wrongType(path, stat, 'a file')
  const old = decode(look.read(path, lineFileBytesMax))
  if (old === undefined)
    return { code: 'WRONG_TYPE', path, detail: 'found bytes that are not UTF-8; expected a text file' }
  const match = step.options['match']
  const pattern = match === undefined ? undefined : new RegExp(match, 'u')
  const edit = putLine(old, path, text, line => (pattern ? pattern.test(line) : line === text))
  if (edit === undefined) return []
  const { mode, uid, gid } = stat
  return [
    {
      kind: 'put',
      path,
      content: { kind: 'bytes', bytes: new TextEncoder().encode(edit.text) },
      ownership: { mode, uid, gid },
      original: edit.original,
    },
  ]
}

/** Undefined: the line is there already, once. */
export function putLine(
  file: string,
  path: string,
  text: string,
  matches: (line: string) => boolean,
): { text: string; original: LineOriginal } | undefined {
  const lines = file.split('\n')
  const ended = lines.at(-1) === ''
  if (ended) lines.pop()
  const found = lines.flatMap((each, index) => (matches(each) ? [index] : []))
  const first = found[0]
  if (first === undefined) {
    const original: LineOriginal = { was: 'line', path, text, removed: [], unended: !ended && file !== '' }
    return { text: `${[...lines, text].join('\n')}\n`, original }
  }
  const old = lines[first]!
  const removed = found.slice(1).map(index => ({ index, anchor: lines[index - 1]!, text: lines[index]! }))
  if (old === text && removed.length === 0) return undefined
  const kept = lines.map((each, index) => (index === first ? text : each))
  const gone = new Set(found.slice(1))
  const next = kept.filter((_, index) => !gone.has(index))
  const unended = !ended
  return {
    text: next.join('\n') + (ended ? '\n' : ''),
    original: { was: 'line', path, text, old, removed, unended },
  }
}

/** Puts back the line that LINE replaced; undefined when its line is no longer there. */
export function takeLine(file: string, original: LineOriginal): string | undefined {
  const lines = file.split('\n')
  const at = lines.indexOf(original.text)
  if (at < 0) return undefined
  if (original.old === undefined) {
    // Added at the end, perhaps after a line without a newline: that comes back only if ours is still the last.
    if (original.unended && at === lines.length - 2 && lines.at(-1) === '') lines.pop()
    lines.splice(at, 1)
  } else lines[at] = original.old
  for (const { index, anchor, text } of original.removed) {
    const inPlace = lines[index - 1] === anchor || lines[index - 1] === text ? index : undefined
    const after = lines.indexOf(anchor, at)
    lines.splice(inPlace ?? (after < 0 ? lines.length - (lines.at(-1) === '' ? 1 : 0) : after + 1), 0, text)
  }
  return lines.join('\n')
}

/** Undefined: not UTF-8. A byte order mark stays. */
export function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
