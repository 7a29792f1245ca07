// What the objects of a release say: commits and trees in the one form that we take, the paths that a host may be
// given, and the walk from a commit to every file. Packs are pack.ts's, files git.ts's.
import { compare, concat, hex, text, unhex, utf8 } from '../signing/bytes.ts'
import { contentDigest } from './content.ts'
import { blobSizeMax, type ObjectType, refuse } from './pack.ts'
import type { FileInfo, FileMode, Refused, Release } from './ports.ts'

/** Linux takes paths of 4,095 bytes (PATH_MAX). Bytes. */
export const pathSizeMax = 4096
/** Deeper than any tree of configuration; bounds the recursion. */
export const depthMax = 64
/** Trees may be shared, so a small pack can stand for very many paths: bounds the listing. */
export const filesMax = 100_000
/** Bytes of all paths of a listing, for the same reason. */
export const pathBytesMax = 16 << 20
/** What the files of a release come to on a host, for the same reason. Bytes. */
export const contentSizeMax = 512 << 20
/** Bytes of a release commit: three lines and a subject. */
const commitSizeMax = 8192

export interface TreeEntry {
  readonly name: string
  readonly mode: FileMode | '40000'
  readonly oid: string
}

const treeModes: readonly string[] = ['100644', '100755', '120000', '40000']

/** Characters that HFS+ leaves out when it compares names (git's utf8.c). */
const hfsIgnored = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/gu

/** Why a name may not stand in a tree; undefined when it may. */
export function nameProblem(name: string): string | undefined {
  if (name === '') return 'an empty name'
  if (name === '.' || name === '..') return `the name ${name}`
  if (name.includes('/') || name.includes('\0')) return 'a name with a slash or NUL'
  // As Windows and macOS see it: without case, streams, trailing dots and blanks, ignored characters; its short name.
  const plain = name
    .replace(hfsIgnored, '')
    .replace(/[:\\].*$/s, '')
    .replace(/[. ]+$/, '')
    .toLowerCase()
  if (plain === '.git' || plain === 'git~1') return `a form of .git: ${JSON.stringify(name)}`
  if (plain === '.gitmodules') return 'a .gitmodules; submodules are not taken'
  return undefined
}

/** The entries of a tree; words when it is not in git's strict form or holds what a host may not be given. */
export function parseTree(bytes: Uint8Array): TreeEntry[] | string {
  const entries: TreeEntry[] = []
  const names = new Set<string>()
  let before: Uint8Array | undefined
  for (let at = 0; at < bytes.length; ) {
    const blank = bytes.indexOf(0x20, at)
    const nul = bytes.indexOf(0, at)
    if (blank < 0 || nul < blank || nul + 21 > bytes.length) return `cut short at byte ${at}`
    const raw = bytes.subarray(blank + 1, nul)
    const name = text(raw)
    if (name === undefined) return `the name ${hex(raw)} (hex) is not UTF-8`
    const mode = text(bytes.subarray(at, blank))
    if (mode === '160000')
      return `${name} is a gitlink (a submodule); only files, links and folders are taken`
    if (!isTreeMode(mode)) return `${name} has mode ${mode}; expected ${treeModes.join(', ')}`
    const problem = nameProblem(name)
    if (problem) return problem
    const key = sortKey(raw, mode)
    if (names.has(name) || (before && compare(before, key) >= 0))
      return `${name} is out of git's order, or there twice`
    names.add(name)
    before = key
    entries.push({ name, mode, oid: hex(bytes.subarray(nul + 1, nul + 21)) })
    at = nul + 21
  }
  return entries
}

/** The bytes of a tree; the entries may come in any order. */
export function formatTree(entries: readonly TreeEntry[]): Uint8Array {
  const rows = entries.map(({ name, mode, oid }) => ({
    key: sortKey(utf8(name), mode),
    bytes: concat(utf8(`${mode} ${name}\0`), unhex(oid, 20)!),
  }))
  return concat(...rows.sort((a, b) => compare(a.key, b.key)).map(row => row.bytes))
}

export interface CommitText {
  readonly tree: string
  readonly parent?: string
  readonly author: { readonly name: string; readonly email: string }
  /** Seconds since 1970. */
  readonly seconds: number
  /** One line of 1 to 200 bytes. */
  readonly subject: string
}

const person = '[^<>\\n\\0]{1,256} <[^<>\\n\\0]{0,256}> (?:0|[1-9][0-9]{0,11}) \\+0000'
const commitForm = new RegExp(
  `^tree ([0-9a-f]{40})\\n(?:parent ([0-9a-f]{40})\\n)?author ${person}\\ncommitter ${person}\\n\\n[^\\n\\0]+\\n$`,
)

/** The bytes of a release commit, which follow from the argument alone. Checked before: `commitProblem`. */
export function formatCommit({ tree, parent, author, seconds, subject }: CommitText): Uint8Array {
  const who = `${author.name} <${author.email}> ${seconds} +0000`
  const lines = [`tree ${tree}`, ...(parent ? [`parent ${parent}`] : []), `author ${who}`, `committer ${who}`]
  return utf8(`${lines.join('\n')}\n\n${subject}\n`)
}

/** Tree and parent of a release commit; words when it is not in the form that `formatCommit` writes. */
export function parseCommit(bytes: Uint8Array): { tree: string; parent?: string } | string {
  if (bytes.length > commitSizeMax) return `${bytes.length} bytes, at most ${commitSizeMax} are taken`
  const found = commitForm.exec(text(bytes) ?? '')
  if (!found) return 'not in the form of a release commit'
  return { tree: found[1]!, ...(found[2] ? { parent: found[2] } : {}) }
}

/** What the walk asks of an object, wherever it is held. */
export interface ObjectInfo {
  readonly type: ObjectType
  readonly size: number
  /** Blobs. */
  readonly sha256?: string
  /** All but blobs. */
  readonly bytes?: Uint8Array
}

export interface Walk {
  readonly kind: 'walked'
  readonly release: Release
  /** Every object of the release, with the type that it must have. */
  readonly reached: ReadonlyMap<string, ObjectType>
}

/** Follows a commit to every file, and refuses what is missing, malformed or too much. */
export function walkRelease(commit: string, find: (oid: string) => ObjectInfo | undefined): Walk | Refused {
  const reached = new Map<string, ObjectType>()
  const listing = new Map<string, FileInfo>()
  let pathBytes = 0
  let contentSize = 0

  const get = (oid: string, type: ObjectType, where: string): ObjectInfo | Refused => {
    const object = find(oid)
    if (!object) return refuse('PACK_MISSING', `${type} ${oid} of ${where}`)
    if (object.type !== type)
      return refuse('PACK_OBJECT', `${where}: ${oid} is a ${object.type}, expected a ${type}`)
    reached.set(oid, type)
    return object
  }

  const folder = (oid: string, path: string, depth: number): Refused | undefined => {
    const where = path === '' ? 'the root' : path
    const tree = get(oid, 'tree', where)
    if ('kind' in tree) return tree
    const entries = parseTree(tree.bytes!)
    if (typeof entries === 'string') return refuse('PACK_OBJECT', `tree of ${where}: ${entries}`)
    if (entries.length === 0 && depth > 0) return refuse('PACK_OBJECT', `the tree of ${where} is empty`)
    for (const { name, mode, oid } of entries) {
      const at = path === '' ? name : `${path}/${name}`
      const length = utf8(at).length
      if (length > pathSizeMax)
        return refuse('PACK_TOO_LARGE', `a path of ${length} bytes: ${at.slice(0, 80)}…`)
      if (mode === '40000') {
        if (depth + 1 >= depthMax)
          return refuse('PACK_TOO_LARGE', `${depthMax} folders deep: ${at.slice(0, 80)}…`)
        const refused = folder(oid, at, depth + 1)
        if (refused) return refused
        continue
      }
      const blob = get(oid, 'blob', at)
      if ('kind' in blob) return blob
      const { size } = blob
      if (size > (mode === '120000' ? pathSizeMax - 1 : blobSizeMax))
        return refuse('PACK_TOO_LARGE', `${at} has ${size} bytes`)
      if ((pathBytes += length) > pathBytesMax)
        return refuse('PACK_TOO_LARGE', `more than ${pathBytesMax} bytes of paths`)
      if ((contentSize += size) > contentSizeMax)
        return refuse('PACK_TOO_LARGE', `its files come to more than ${contentSizeMax} bytes`)
      if (listing.size >= filesMax) return refuse('PACK_TOO_LARGE', `more than ${filesMax} files`)
      listing.set(at, { mode, sha256: blob.sha256!, size })
    }
    return undefined
  }

  const head = get(commit, 'commit', 'the release')
  if ('kind' in head) return head
  const parsed = parseCommit(head.bytes!)
  if (typeof parsed === 'string') return refuse('PACK_OBJECT', `commit ${commit}: ${parsed}`)
  const refused = folder(parsed.tree, '', 0)
  if (refused) return refused
  const parent = parsed.parent ? { parent: parsed.parent } : {}
  return { kind: 'walked', reached, release: { commit, ...parent, content: contentDigest(listing), listing } }
}

function isTreeMode(mode: string | undefined): mode is TreeEntry['mode'] {
  return mode !== undefined && treeModes.includes(mode)
}

/** git compares the names of folders as if they ended in a slash. */
function sortKey(name: Uint8Array, mode: string): Uint8Array {
  return mode === '40000' ? concat(name, utf8('/')) : name
}
