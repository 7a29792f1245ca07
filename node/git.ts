// Repository of a host: a bare git repository that stock git reads, in which each release is one full pack of its own. So
// dropping a release is removing two files, and any pack can be made again from any host's.
import assert from 'node:assert'
import { join } from 'node:path'
import { hex } from '../signing/bytes.ts'
import { hasher } from '../signing/crypto.ts'
import { NodeError } from './errors.ts'
import { type Checked, checkPack, contentOf, type Held, heldOf, type KnownPack } from './git-check.ts'
import * as disk from './git-disk.ts'
import { type Files, systemFiles } from './git-files.ts'
import { openQuarantine, openServed, type ServedPack } from './git-packs.ts'
import { type HeldTag, isTagRef, newestRelease, parseTag, tagObjects } from './git-tags.ts'
import { packIndex, packSize, packSizeMax, refuse, writePack } from './pack.ts'
import type * as ports from './ports.ts'
import type { Clock, Opened, Repository, TagRef } from './ports.ts'
import { parseCommit } from './tree.ts'

/** Releases whose objects are kept in mind: the one in force and the one that is coming. */
const readMax = 2

interface State {
  /** Release commits -> parents that they name. */
  readonly commits: Map<string, string | undefined>
  readonly tags: Map<TagRef, HeldTag>
}

/**
 * Opens or makes the repository in `folder`. One that is damaged, or of which `damage` (from `audit`) says so, is moved to
 * `<folder>.damaged-<time>` and begun anew: peers have it all.
 */
export async function openRepository(
  folder: string,
  clock: Pick<Clock, 'now'>,
  { damage, files = systemFiles }: { damage?: string; files?: Files } = {},
): Promise<Opened<Repository>> {
  const state = files.exists(folder) ? (damage ?? inspect(files, folder)) : empty(files, folder)
  if (typeof state !== 'string') return { port: repositoryOn(files, folder, state) }
  const aside = `${folder}.damaged-${new Date(clock.now()).toISOString().replaceAll(':', '')}`
  files.rename(folder, aside)
  const note = `repository ${folder} was damaged (${state}); set aside as ${aside}, begun anew`
  return { port: repositoryOn(files, folder, empty(files, folder)), note }
}

function empty(files: Files, folder: string): State {
  disk.layOut(files, folder)
  return { commits: new Map(), tags: new Map() }
}

/** What the repository holds, after the leftovers of a crash are gone; words when it is damaged. */
function inspect(files: Files, folder: string): State | string {
  try {
    disk.layOut(files, folder)
    const refs = disk.readRefs(files, folder)
    if (typeof refs === 'string') return refs
    const state: State = { commits: new Map(), tags: new Map() }
    for (const [ref, oid] of refs) {
      if (!ref.startsWith('refs/fleet/held/')) continue
      const head = disk.headOfPack(files, folder, oid)
      if (typeof head === 'string') return head
      const commit = parseCommit(head.bytes)
      if (head.type !== 'commit' || typeof commit === 'string') return `${oid} is no release commit`
      state.commits.set(oid, commit.parent)
    }
    for (const [ref, oid] of refs) {
      if (!isTagRef(ref)) continue
      const head = disk.headOfPack(files, folder, oid)
      if (typeof head === 'string') return head
      const tag = parseTag(head.bytes)
      if (typeof tag === 'string') return `${ref}: ${tag}`
      if (tag.type === 'commit' && !state.commits.has(tag.target))
        return `${ref} names ${tag.target}, which is not held`
      state.tags.set(ref, tag)
    }
    const wanted = new Set([...state.commits.keys(), ...[...state.tags.values()].map(tag => tag.oid)])
    disk.removeStrayPacks(files, folder, oid => wanted.has(oid))
    return state
  } catch (error) {
    if (error instanceof Error && 'code' in error && damageErrnos.has(error.code)) return error.message
    throw error
  }
}

/** What a damaged tree of folders answers, or a disk that cannot read; no rights or no room are not damage. */
const damageErrnos: ReadonlySet<unknown> = new Set(['EEXIST', 'EIO', 'EISDIR', 'ELOOP', 'ENOENT', 'ENOTDIR'])

function repositoryOn(files: Files, folder: string, { commits, tags }: State): Repository {
  const scratch = join(folder, 'fleet/tmp/pack')
  const served = openServed(files, join(folder, 'fleet/packs'))
  const read = new Map<string, Promise<Held>>()
  const recent = files.recent()
  /** Changes happen one after another. */
  let turn: Promise<unknown> = Promise.resolve()
  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const done = turn.then(change)
    turn = done.catch(() => {})
    return done
  }

  /** Brings `shallow` and main in step; `leaving` are commits whose packs are still there. */
  function settle(leaving: Iterable<string> = []): void {
    const cut = [...commits].filter(([, parent]) => parent !== undefined && !commits.has(parent))
    disk.writeShallow(files, folder, [...new Set([...cut.map(([commit]) => commit), ...leaving])].sort())
    const newest = newestRelease(tags)
    if (newest) disk.writeRef(files, folder, 'refs/heads/main', newest)
    else disk.removeRef(files, folder, 'refs/heads/main')
  }
  settle()
  served.retain(commit => commits.has(commit))

  /** A release that was read; the one used longest ago is forgotten. */
  function held(commit: string): Promise<Held> {
    const known = read.get(commit) ?? load(commit)
    remember(commit, known)
    return known
  }

  async function load(commit: string): Promise<Held> {
    if (!commits.has(commit)) throw new NodeError('RELEASE_ABSENT', { commit })
    const path = disk.packPath(folder, commit)
    const checked = await checkPack(files, path, commit)
    if (checked.kind === 'checked') return heldOf(checked, path)
    throw new NodeError('REPOSITORY_DAMAGED', { folder, commit, found: checked.detail })
  }

  function remember(commit: string, known: Promise<Held>): void {
    read.delete(commit)
    read.set(commit, known)
    known.catch(() => read.delete(commit))
    for (const oldest of [...read.keys()].slice(0, -readMax)) read.delete(oldest)
  }

  /** Writes a pack of these objects to `scratch`, on the disk for good; its digest. */
  function write(objects: Parameters<typeof writePack>[0], content: (oid: string) => Uint8Array): string {
    const hash = hasher('sha256')
    function* hashed() {
      for (const piece of writePack(objects, content)) {
        hash.update(piece)
        yield piece
      }
    }
    files.replace(scratch, hashed())
    return hex(hash.digest())
  }

  /** Writes a pack of objects that lie in other packs; what is at a path may change from one call to the next. */
  function writeFrom(objects: Parameters<typeof writePack>[0], find: (oid: string) => KnownPack): string {
    const source = files.recent()
    try {
      return write(objects, oid => contentOf(source.of, find(oid), find(oid).objects.get(oid)!))
    } finally {
      source.close()
    }
  }

  async function heldAlready({ commit, content }: ports.PackClaim): Promise<ports.Installed> {
    const { release } = await held(commit)
    if (content === undefined || content === release.content) return { kind: 'installed', release }
    return refuse('PACK_CONTENT', `its content is ${release.content}, expected ${content}`)
  }

  async function takePack(path: string, claim: ports.PackClaim): Promise<ports.Installed> {
    const { commit, base, digest } = claim
    if (base !== 'none' && !commits.has(base)) return refuse('PACK_BASE', `base ${base} is not held`)
    const size = files.size(path)
    if (size > packSizeMax) return refuse('PACK_TOO_LARGE', `${size} bytes, at most ${packSizeMax} are taken`)
    const found = await files.breathe(disk.hashFile(files, path))
    if (found !== digest) return refuse('PACK_DIGEST', `its SHA-256 is ${found}, expected ${digest}`)
    const under = base === 'none' ? undefined : await held(base)
    const checked = await checkPack(files, path, commit, under)
    if (checked.kind === 'refused') return checked
    const { release, reached } = checked.walk
    if (claim.content !== undefined && release.content !== claim.content)
      return refuse('PACK_CONTENT', `its content is ${release.content}, expected ${claim.content}`)
    files.sync(path)
    if (!under) {
      place(path, { commit, base, digest, size }, checked)
      return { kind: 'installed', release }
    }
    const places = [{ path, objects: checked.scanned.objects }, under]
    const find = (oid: string) => places.find(each => each.objects.has(oid))!
    const list = [...reached].map(([oid, type]) => ({ oid, type }))
    const total = packSize(list.map(({ oid }) => find(oid).objects.get(oid)!.size))
    if (total > packSizeMax)
      return refuse('PACK_TOO_LARGE', `with its base ${total} bytes, at most ${packSizeMax} are taken`)
    const full = writeFrom(list, find)
    const whole = await checkPack(files, scratch, commit)
    assert(whole.kind === 'checked', 'what was checked in two parts is good as a whole')
    place(scratch, { commit, base: 'none', digest: full, size: total }, whole)
    served.add({ commit, base, digest, size }, path, 'move')
    return { kind: 'installed', release }
  }

  /** Makes a full pack, which is on the disk and was checked, part of the repository. */
  function place(path: string, pack: ServedPack, checked: Checked): void {
    const { commit } = pack
    // Before git can see a commit whose parent is not here, `shallow` must say so.
    settle([commit])
    disk.placePack(files, folder, commit, path, packIndex(checked.scanned))
    served.add(pack, disk.packPath(folder, commit), 'link')
    disk.writeRef(files, folder, `refs/fleet/held/${commit}`, commit)
    commits.set(commit, checked.walk.release.parent)
    settle()
    remember(commit, Promise.resolve(heldOf(checked, disk.packPath(folder, commit))))
  }

  function forget(ref: TagRef): void {
    const tag = tags.get(ref)
    if (!tag) return
    tags.delete(ref)
    disk.removeRef(files, folder, ref)
    removeUnnamed(tag)
  }

  /** Removes a tag's pack unless another ref names it. */
  function removeUnnamed({ oid }: HeldTag): void {
    if (![...tags.values()].some(tag => tag.oid === oid)) disk.removePack(files, folder, oid)
  }

  /** The pack of the last answer: a run asks for thousands of files of one release. */
  let likeliest: Held | undefined

  async function fileOf(digest: string): Promise<Uint8Array | undefined> {
    const known = likeliest?.bySha256.get(digest)
    if (likeliest && known) return contentOf(recent.of, likeliest, known)
    const likely = [...read.keys()].reverse()
    const others = [...commits.keys()].filter(commit => !read.has(commit))
    for (const commit of [...likely, ...others]) {
      const pack = await held(commit)
      const object = pack.bySha256.get(digest)
      if (object) {
        likeliest = pack
        return contentOf(recent.of, pack, object)
      }
    }
    return undefined
  }

  return {
    held: () => [...commits.keys()],
    install: (pack, claim) =>
      inTurn(async () => {
        const inline = pack instanceof Uint8Array
        const path = join(folder, inline ? 'fleet/tmp/inline' : `fleet/quarantine/${pack.digest}`)
        if (inline) files.write(path, pack)
        const answer = commits.has(claim.commit) ? await heldAlready(claim) : await takePack(path, claim)
        // Not when this throws: a full disk may have room tomorrow, and the bytes are good.
        files.remove(path)
        return answer
      }),
    release: async commit => (await held(commit)).release,
    read: async (commit, path) => {
      const pack = await held(commit)
      const file = pack.release.listing.get(path)
      return file && contentOf(recent.of, pack, pack.bySha256.get(file.sha256)!)
    },
    blob: fileOf,
    pack: (commit, base) =>
      inTurn(async () => {
        const ready = served.find(commit, base)
        if (ready) return { digest: ready.digest, size: ready.size }
        const whole = await held(commit)
        const under = base === 'none' ? undefined : await held(base)
        const objects = [...whole.objects].filter(([oid]) => !under?.objects.has(oid))
        const digest = writeFrom(
          objects.map(([oid, { type }]) => ({ oid, type })),
          () => whole,
        )
        const size = files.size(scratch)
        served.add({ commit, base, digest, size }, scratch, 'move')
        return { digest, size }
      }),
    readPack: async (digest, offset, length) => served.read(digest, offset, length),
    packSize: digest => served.byDigest(digest)?.size,
    quarantine: async digest => {
      assert.match(digest, /^[0-9a-f]{64}$/)
      return openQuarantine(files, join(folder, 'fleet/quarantine'), digest)
    },
    quarantined: digest => files.size(join(folder, 'fleet/quarantine', digest)),
    putTag: (ref, body, trust) =>
      inTurn(async () => {
        assert(isTagRef(ref), `${ref} is no name for a tag`)
        const { tag, objects } = tagObjects(ref, body, trust)
        if (tags.get(ref)?.oid === tag.oid) return
        if (tag.type === 'commit' ? !commits.has(tag.target) : !trust)
          throw new NodeError('TAG_TARGET_ABSENT', { ref, target: tag.target })
        const list = [...objects].map(([oid, { type }]) => ({ oid, type }))
        write(list, oid => objects.get(oid)!.bytes)
        const scanned = await files.scan(scratch)
        assert(scanned.kind === 'scanned', 'what we wrote can be read')
        const before = tags.get(ref)
        disk.placePack(files, folder, tag.oid, scratch, packIndex(scanned))
        disk.writeRef(files, folder, ref, tag.oid)
        tags.set(ref, tag)
        if (before) removeUnnamed(before)
        settle()
      }),
    tag: async ref => tags.get(ref)?.body.slice(),
    tags: () => [...tags.keys()],
    dropTag: ref =>
      inTurn(async () => {
        forget(ref)
        settle()
      }),
    prune: keep =>
      inTurn(async () => {
        const leaving = [...commits.keys()].filter(commit => !keep.has(commit))
        if (leaving.length === 0) return
        for (const [ref, { target }] of tags) if (leaving.includes(target)) forget(ref)
        for (const commit of leaving) commits.delete(commit)
        settle(leaving)
        for (const commit of leaving) {
          disk.removeRef(files, folder, `refs/fleet/held/${commit}`)
          disk.removePack(files, folder, commit)
          read.delete(commit)
        }
        likeliest = undefined
        served.retain(commit => commits.has(commit))
        settle()
      }),
    audit: () =>
      inTurn(async () => {
        for (const commit of commits.keys()) {
          const found = await checkPack(files, disk.packPath(folder, commit), commit)
          if (found.kind === 'refused') return `release ${commit}: ${found.detail}`
        }
        for (const [ref, { oid }] of tags) {
          const found = await files.scan(disk.packPath(folder, oid))
          if (found.kind === 'refused') return `${ref}: ${found.detail}`
        }
        const again = inspect(files, folder)
        return typeof again === 'string' ? again : undefined
      }),
    close: async () => {
      await turn
      read.clear()
      likeliest = undefined
      recent.close()
    },
  }
}
