// COPY: a file of the repository, byte for byte.
import type { Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { adjust, inherit, ownershipOf, wrongType } from './observe.ts'
import { checkContent, content, readCommand } from './values.ts'
import type { VerbSpec } from './verb.ts'

export const copy: VerbSpec = {
  name: 'COPY',
  summary: 'Copies a file of the repository.',
  example: 'COPY files/sudo.web /etc/sudoers.d/web mode=0440 validate="visudo -cf %s"',
  about: [
    'FILE takes the place of a file, a link or nothing in one rename: whoever reads sees the old file or the new one. A directory at PATH is refused. An ACL, extended attributes and the SELinux context that a file there has are carried over, or the step is refused as ATTRIBUTES_LOST.',
    'validate= runs on the new file, whose name takes the place of %s, before anything is changed. If it does not end with 0 within 60 s, the step is refused as INVALID and nothing has happened.',
    'The directory is declared before it, comes with an earlier PACKAGE, UNPACK or USER, or belongs to the base system.',
  ],
  leaves:
    'What stood at PATH before comes back with its mode, owner and attributes; where nothing was, the file is removed. An edit that is there at that moment goes to the drift store first.',
  noticed:
    'At once: content, mode, owner, removal. The edited file is kept before it is replaced: `fleet drift` shows it, `fleet drift adopt` makes it a commit.',
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

/** Also TEMPLATE's: the rendered bytes are its payload. */
export function planCopy(step: Step, look: Look): Answer {
  const path = step.args[1]!
  const payload = step.payload
  if (payload === undefined)
    return { code: 'PAYLOAD_MISSING', path, detail: `found no content for ${step.args[0]}` }
  const modeDefault = payload.executable ? 0o755 : 0o644
  const wanted = ownershipOf(step, modeDefault, look)
  if ('code' in wanted) return wanted
  const stat = look.stat(path)
  if (stat?.kind === 'directory' || stat?.kind === 'other') return wrongType(path, stat, 'a file or nothing')
  if (stat?.kind === 'file' && stat.size === payload.size && look.digest(path) === payload.sha256)
    return adjust(path, stat, wanted)
  const validate = step.options['validate']
  return [
    {
      kind: 'put',
      path,
      content: { kind: 'payload', payload },
      ownership: inherit(stat, wanted, modeDefault),
      ...(validate === undefined ? {} : { validate: readCommand(validate) }),
    },
  ]
}
