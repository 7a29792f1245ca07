// What the values of arguments and options may look like, one rule per kind, and how those that mean a number or a
// list are read. Whether files, owners and parents exist is left to steps/declare.ts and steps/check.ts.

import { splitCommand } from '../steps/words.ts'
import type { OptionSpec, ValueKind } from './verb.ts'

/** Linux: PATH_MAX without the NUL, NAME_MAX; bytes. */
const pathBytesMax = 4095
const nameBytesMax = 255

/** Where no step may reach: the kernel's own views, and what the agent itself lives on. */
const forbidden = ['/proc', '/sys', '/dev', '/var/lib/fleet', '/etc/fleet', '/run/fleet']

const encoder = new TextEncoder()

/** Answers `found …; expected …` when `value` is not of this kind, else undefined. `values`: those of `oneof`. */
export function checkValue(
  kind: ValueKind,
  value: string,
  values: readonly string[] = [],
): string | undefined {
  const found = (expected: string) => `found ${shown(value)}; expected ${expected}`
  switch (kind) {
    case 'path':
      return checkPath(value)
    case 'paths':
      return value
        .split(',')
        .map(checkPath)
        .find(message => message !== undefined)
    case 'source':
    case 'sourcedir':
      return value.split('/').some(name => ['', '.', '..', '.git'].includes(name))
        ? found('a path inside the repository, without . and ..')
        : undefined
    case 'mode':
      return /^(keep|[0-7]{3,4})$/.test(value) ? undefined : found('three or four octal digits, or keep')
    case 'user':
    case 'group':
      return /^([a-z_][a-z0-9_-]{0,31}|\d{1,10})$/.test(value)
        ? undefined
        : found(`the name or number of a ${kind}, or keep`)
    case 'flag':
      return value === '' ? undefined : found('the bare word, without a value')
    case 'globs':
      return readList(value).every(glob => glob !== '' && !glob.includes('/'))
        ? undefined
        : found('file names with * and ?, separated by commas')
    case 'regex':
      return checkRegex(value)
    case 'duration': {
      const ms = readDuration(value)
      return ms !== undefined && ms > 0 ? undefined : found('a time such as 500ms, 30s, 5m or 2h')
    }
    case 'number':
      return /^(0|[1-9]\d{0,9})$/.test(value) ? undefined : found('a whole number')
    case 'account':
      return /^[a-z_][a-z0-9_-]{0,31}$/.test(value) ? undefined : found('a name of a-z 0-9 _ -')
    case 'accounts':
      return readList(value).every(name => /^[a-z_][a-z0-9_-]{0,31}$/.test(name))
        ? undefined
        : found('names of a-z 0-9 _ -, separated by commas')
    case 'package':
      return /^[a-z0-9][a-z0-9+._-]+(:[a-z0-9-]+)?$/i.test(value) ? undefined : found('the name of a package')
    case 'unit':
      return /^[A-Za-z0-9:_.@\\-]{1,255}$/.test(value) && !/\.(slice|scope|device|swap)$|@\.|@$/.test(value)
        ? undefined
        : found('a unit such as nginx.service, or nginx for short')
    case 'sysctl':
      return /^[a-z0-9_-]+([./][A-Za-z0-9_*-]+)+$/.test(value)
        ? undefined
        : found('a name such as net.core.somaxconn')
    case 'oneof':
      return values.includes(value) ? undefined : found(`one of ${values.join(' ')}`)
    case 'command':
      return value === '' ? found('a command') : undefined
    case 'text':
      return value === '' ? found('some text') : undefined
  }
}

function checkPath(path: string): string | undefined {
  const found = (expected: string) => `found ${shown(path)}; expected ${expected}`
  if (!path.startsWith('/')) return found('an absolute path')
  if (path === '/') return found('a path below /')
  const names = path.slice(1).split('/')
  if (names.some(name => name === '' || name === '.' || name === '..'))
    return found('a path without //, ., .. or a / at its end')
  if (path.length > 80 && encoder.encode(path).length > pathBytesMax)
    return found(`at most ${pathBytesMax} bytes`)
  if (names.some(name => name.length > 80 && encoder.encode(name).length > nameBytesMax))
    return found(`names of at most ${nameBytesMax} bytes`)
  const inside = forbidden.find(each => path === each || path.startsWith(`${each}/`))
  return inside === undefined ? undefined : found(`a path outside ${inside}`)
}

function checkRegex(source: string): string | undefined {
  try {
    new RegExp(source, 'u')
    return undefined
  } catch (error) {
    return `found ${shown(source)}; expected a regular expression (${(error as Error).message})`
  }
}

/** Long or unprintable input, made fit for one line of a message. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 57)}…` : text)
}

/** Permission bits, or undefined for `keep`. The value must be of kind `mode`. */
export function readMode(value: string): number | undefined {
  return value === 'keep' ? undefined : Number.parseInt(value, 8)
}

/** For the kinds `paths` and `globs`. */
export function readList(value: string): readonly string[] {
  return value.split(',')
}

/** Milliseconds; undefined when it is no duration. At most 24 hours, so that nothing waits for ever. */
export function readDuration(value: string): number | undefined {
  const match = /^(\d{1,8})(ms|s|m|h)$/.exec(value)
  if (!match) return undefined
  const ms =
    Number(match[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h']
  return ms <= 24 * 3_600_000 ? ms : undefined
}

/** The argv of a command option or of RUN's single word; `shell`: given to /bin/sh as it stands. */
export function readCommand(text: string, shell = false): readonly string[] {
  if (shell) return ['/bin/sh', '-c', text]
  const split = splitCommand(text)
  return split.kind === 'words' ? split.words : []
}

export const ownership = {
  owner: { kind: 'user', doc: 'User name or number; default root; keep: no opinion.' },
  group: { kind: 'group', doc: 'Group name or number; default root; keep: no opinion.' },
} satisfies Record<string, OptionSpec>

export const exclusivity = {
  exclusive: { kind: 'flag', doc: 'Save and remove what is in the directory and not declared.' },
  ignore: { kind: 'globs', doc: 'File names that exclusive leaves alone, with commas between.' },
} satisfies Record<string, OptionSpec>

/** Of every verb that has something to repair; verbs/index.ts gives it to them. */
export const observation = {
  observe: {
    kind: 'flag',
    doc: 'Report drift and do not repair it; a release still applies the step when it is new or changed.',
  },
} satisfies Record<string, OptionSpec>

export const content = {
  mode: { kind: 'mode', doc: 'Default 0644, or 0755 if executable in git; keep: no opinion.' },
  ...ownership,
  validate: {
    kind: 'command',
    doc: 'Command that must accept the new file, named by %s, before it takes its place; no shell.',
  },
} satisfies Record<string, OptionSpec>

/** The check of COPY and TEMPLATE. */
export function checkContent(step: {
  readonly options: Readonly<Record<string, string>>
}): string | undefined {
  const command = step.options['validate']
  if (command === undefined) return undefined
  const split = splitCommand(command)
  if (split.kind === 'bad') return split.message
  return split.words.some(word => word.includes('%s'))
    ? undefined
    : `found validate=${shown(command)}; expected %s where the file's name belongs`
}

/** The check of MKDIR and TREE. */
export function checkExclusive(step: {
  readonly options: Readonly<Record<string, string>>
}): string | undefined {
  return step.options['ignore'] !== undefined && step.options['exclusive'] === undefined
    ? 'found ignore= without exclusive; expected both or neither'
    : undefined
}
