// What dpkg and apt write, read: the status file, the marks of apt, simulations, lists of versions, warnings. Pure, and
// forgiving: what is not understood is passed over. Running them is left to linux-apt.ts.
import type { Movement, PackageState, Packages } from './packages.ts'

/** dpkg's words for a package whose files are all there and configured (dpkg(1), package states). */
const wholeStates = ['installed', 'triggers-awaited', 'triggers-pending']
/** Nothing of it is there but perhaps its configuration. */
const goneStates = ['not-installed', 'config-files']

/**
 * What is installed, by the names that apt uses: `name`, or `name:arch` where the architecture is foreign. `text`: of
 * /var/lib/dpkg/status, read as Latin-1; `automatic`: of /var/lib/apt/extended_states.
 */
export function parseStatus(text: string, automatic = ''): Packages {
  const native = nativeOf(text)
  const along = new Set<string>()
  for (const stanza of stanzas(automatic))
    if (field(stanza, 'Auto-Installed') === '1') along.add(nameIn(stanza, native))
  const found = new Map<string, PackageState>()
  for (const stanza of stanzas(text)) {
    const [want, , state = ''] = field(stanza, 'Status').split(' ')
    const version = field(stanza, 'Version')
    const name = nameIn(stanza, native)
    if (name === '' || version === '' || state === '' || goneStates.includes(state)) continue
    found.set(name, {
      version: wholeStates.includes(state) ? version : `${version} ${state}`,
      held: want === 'hold',
      automatic: along.has(name),
    })
  }
  return found
}

/**
 * Packages that are there and marked to go: what apt leaves when it is cut off. dpkg configures none of them, though it may
 * have begun to take them apart.
 */
export function condemnedOf(text: string): readonly string[] {
  const native = nativeOf(text)
  return [...stanzas(text)].flatMap(stanza => {
    const [want = '', , state = ''] = field(stanza, 'Status').split(' ')
    return (want === 'deinstall' || want === 'purge') && state !== '' && !goneStates.includes(state)
      ? [nameIn(stanza, native)]
      : []
  })
}

/** The machine's own architecture is that of its dpkg; '' where that says nothing. */
export function nativeOf(text: string): string {
  return field(stanzaOf(text, 'dpkg') ?? '', 'Architecture')
}

/** The configuration files that dpkg knows of a package; they stay when it is removed. */
export function conffilesOf(text: string, name: string): readonly string[] {
  const lines = (stanzaOf(text, name) ?? '').split('\n')
  const start = lines.indexOf('Conffiles:') + 1
  if (start === 0) return []
  const end = lines.findIndex((line, index) => index >= start && !line.startsWith(' '))
  return lines.slice(start, end < 0 ? undefined : end).flatMap(line => {
    const [path, , obsolete] = line.trim().split(' ')
    return path?.startsWith('/') && obsolete === undefined ? [path] : []
  })
}

/** What `apt-get -s` would do. Lines such as `Inst a [1.0] (2.0 Debian:12/stable [all])` and `Remv a [1.0]`. */
export function parseSimulation(output: string): readonly Movement[] {
  return [...output.matchAll(/^(Inst|Remv|Purg) (\S+)(?: \[([^\]]+)\])?(?: \((\S+))?/gm)].map(
    ([, word, name = '', from, to]) => ({
      name,
      ...(from === undefined ? {} : { from }),
      ...(word === 'Inst' && to !== undefined ? { to } : {}),
    }),
  )
}

/** The versions that the machine's sources offer, newest first, from `apt-cache madison`. */
export function parseMadison(output: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const [name = '', version = '', source = ''] = line.split('|').map(each => each.trim())
    if (version === '' || source.endsWith('Sources')) continue
    const versions = found.get(name) ?? []
    if (!versions.includes(version)) found.set(name, [...versions, version])
  }
  return found
}

/** Directories that dpkg left since something is in them. */
export function parseNotRemoved(output: string): readonly string[] {
  return [...output.matchAll(/directory '(\/[^'\n]+)' not empty so not removed/g)].map(match => match[1]!)
}

/** The package that dpkg blames for a failed transaction. */
export function parseBlamed(output: string): string | undefined {
  const package_ = /error processing package (\S+) \(/.exec(output)?.[1]
  return package_ ?? /error processing archive (?:\S*\/)?(?:\d+-)?([^/_\s]+)_\S+ \(/.exec(output)?.[1]
}

/** Bytes that the disk will hold more after it, as apt-get foretells; it writes `1,234 kB`. */
export function parseGrowth(output: string): number {
  const match = /([\d.,]+) ([kMGT]?)B of additional disk space/.exec(output)
  if (!match) return 0
  return Number(match[1]!.replaceAll(',', '')) * 1000 ** ['', 'k', 'M', 'G', 'T'].indexOf(match[2]!)
}

/** A package that a transaction unpacks or removes, as it is noted before that begins. */
export interface Unpacking {
  /** As apt calls it. */
  readonly name: string
  readonly version: string
  /** What is unpacked; '' if it is removed. */
  readonly file: string
  /** What is in it, as its archive names that: `./usr/share/a/` is a directory. */
  readonly members: readonly string[]
  /** Of all that dpkg may make for it, what was there before: that is somebody's. */
  readonly there: readonly string[]
}

/** What lies on the machine for packages that were unpacked when dpkg was cut off. */
export interface Found {
  readonly kinds: ReadonlyMap<string, 'directory' | 'other'>
  /** By a package that dpkg knows. */
  readonly owned: ReadonlySet<string>
  /** As the package would have it. */
  readonly same: ReadonlySet<string>
}

/** Names that dpkg gives for a while: to what it unpacks, and to what it replaces. */
const [incoming, outgoing] = ['.dpkg-new', '.dpkg-tmp']

/** The members of package files, by file: after `//FILE` a line each. */
export function parseListing(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  let members: string[] = []
  for (const line of text.split('\n')) {
    if (line.startsWith('//')) found.set(line.slice(2), (members = []))
    else if (!['', '/', '/..'].includes(pathOf(line)) && !line.split('/').includes('..')) members.push(line)
  }
  return found
}

export function pathOf(member: string): string {
  return `/${member.replace(/^\.?\/|^\.$/, '').replace(/\/$/, '')}`
}

/** All paths that dpkg may make for a package. */
export function scratchOf({ members }: Unpacking): readonly string[] {
  return members.map(pathOf).flatMap(path => [path, path + incoming, path + outgoing])
}

/** The names of packages, without architecture, of which dpkg knows anything. */
export function mentionedIn(text: string): ReadonlySet<string> {
  const known = [...stanzas(text)].filter(each => !/ not-installed$/.test(field(each, 'Status')))
  return new Set(known.map(each => field(each, 'Package')))
}

/**
 * Of the files in dpkg's info folder those that may go: all of a package that dpkg does not know, and of others what was
 * about to take the place of another.
 */
export function infoFilesOf(
  { name, there }: Unpacking,
  files: readonly string[],
  mentioned: ReadonlySet<string>,
): readonly string[] {
  const plain = name.split(':')[0]!
  return files.filter(file => {
    // Names of packages have dots in them, too: python3.11.list.
    const dot = file.lastIndexOf('.')
    if (file.slice(0, dot).split(':')[0] !== plain || there.includes(`/var/lib/dpkg/info/${file}`))
      return false
    return !mentioned.has(plain) || file.endsWith('-new')
  })
}

/** Members that may go if they lie there as in the package. */
export function wholeOf(
  { members, there }: Unpacking,
  { kinds, owned }: Omit<Found, 'same'>,
): readonly string[] {
  const before = new Set(there)
  return members.filter(member => {
    const path = pathOf(member)
    if (member.endsWith('/') || kinds.get(path) !== 'other' || owned.has(path)) return false
    return !before.has(path) || kinds.has(path + outgoing)
  })
}

/**
 * What is to go once these packages are whole or gone. `restore`: paths whose `.dpkg-tmp` takes their place again;
 * `directories`: only if empty, the deepest first. What was there before, is a known package's or looks otherwise stays.
 */
export function leavingsOf(
  unpackings: readonly Unpacking[],
  { kinds, owned, same }: Found,
): {
  readonly remove: readonly string[]
  readonly restore: readonly string[]
  readonly directories: readonly string[]
} {
  const [remove, restore, directories] = [new Set<string>(), new Set<string>(), new Set<string>()]
  for (const { members, there } of unpackings) {
    const before = new Set(there)
    const isNew = (path: string) => kinds.has(path) && !before.has(path) && !owned.has(path)
    const drop = (path: string) => (kinds.get(path) === 'directory' ? directories : remove).add(path)
    for (const member of members) {
      const path = pathOf(member)
      const replaced = path + outgoing
      if (isNew(path + incoming)) drop(path + incoming)
      if (isNew(replaced)) {
        // Of a path that is no package's it is the only copy of what somebody had there.
        if (!before.has(path) || owned.has(path)) drop(replaced)
        else if (!kinds.has(path) || same.has(path)) restore.add(path)
      }
      if (!isNew(path)) continue
      if (member.endsWith('/') ? kinds.get(path) === 'directory' : same.has(path)) drop(path)
    }
  }
  return { remove: [...remove], restore: [...restore], directories: [...directories].sort().reverse() }
}

/** Negative: `a` is older (deb-version(7)). */
export function compareVersions(a: string, b: string): number {
  const split = (version: string) => {
    const [, epoch = '0', rest = ''] = /^(?:(\d+):)?(.*)$/s.exec(version)!
    const dash = rest.lastIndexOf('-')
    return dash < 0 ? [epoch, rest, ''] : [epoch, rest.slice(0, dash), rest.slice(dash + 1)]
  }
  const [left, right] = [split(a), split(b)]
  return left.reduce((result, part, index) => result || compareParts(part, right[index]!), 0)
}

/** Runs of other characters and of digits by turns: `~` before the end, the end before letters, these before the rest. */
function compareParts(a: string, b: string): number {
  const runs = (part: string) => [...part.matchAll(/(\D*)(\d*)/g)]
  const [left, right] = [runs(a), runs(b)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [, textA = '', digitsA = ''] = left[at] ?? []
    const [, textB = '', digitsB = ''] = right[at] ?? []
    for (let i = 0; i < Math.max(textA.length, textB.length); i++) {
      const order = rank(textA[i]) - rank(textB[i])
      if (order !== 0) return order
    }
    const order = BigInt(digitsA) - BigInt(digitsB)
    if (order !== 0n) return order < 0n ? -1 : 1
  }
  return 0
}

function rank(character: string | undefined): number {
  if (character === undefined) return 0
  if (character === '~') return -1
  return character.charCodeAt(0) + (/[A-Za-z]/.test(character) ? 0 : 256)
}

function* stanzas(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = text.indexOf('\n\n', start)
    yield text.slice(start, end < 0 ? text.length : end)
    if (end < 0) return
    start = end + 2
  }
}

function stanzaOf(text: string, name: string): string | undefined {
  const [plain = '', arch] = name.split(':')
  for (let at = -1; ; ) {
    const head = `Package: ${plain}\n`
    at = text.indexOf(head, at + 1)
    if (at < 0) return undefined
    if (at > 0 && text[at - 1] !== '\n') continue
    const end = text.indexOf('\n\n', at)
    const stanza = text.slice(at, end < 0 ? text.length : end)
    if (arch === undefined || field(stanza, 'Architecture') === arch) return stanza
  }
}

/** The first line of a field; '' where it is missing. */
function field(stanza: string, name: string): string {
  const head = `${name}: `
  const at = stanza.startsWith(head) ? 0 : stanza.indexOf(`\n${head}`) + 1
  if (at === 0 && !stanza.startsWith(head)) return ''
  const end = stanza.indexOf('\n', at)
  return stanza.slice(at + head.length, end < 0 ? undefined : end).trim()
}

function nameIn(stanza: string, native: string): string {
  const name = field(stanza, 'Package')
  const arch = field(stanza, 'Architecture')
  return arch === native || arch === 'all' || arch === '' || native === '' ? name : `${name}:${arch}`
}
