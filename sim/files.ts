// Files by their paths on a simulated disk: a host's repository, its small durable files. What packs hold is read once for a
// whole fleet. Decides nothing; node/git.ts and node/os.ts do on these what they do on real ones.

import { openRepository } from '../node/git.ts'
import type { FileSource, Files } from '../node/git-files.ts'
import { durableIn } from '../node/os.ts'
import { type Attempts, attemptsIn } from '../node/os-attempts.ts'
import { type ScannedPack, scanPack } from '../node/pack.ts'
import type { Clock, Durable, Opened, Quarantine, Refused, Repository, TagRef } from '../node/ports.ts'
import { DiskError, type Node } from './disk.ts'
import type { Life } from './life.ts'
import { digestOf, replaceDurably } from './machine.ts'

const owner = { uid: 0, gid: 0 }

/** As openRepository. Once the life is over, no promise settles. `tags`: false to only note them, while the life lasts. */
export async function simRepository(
  life: Life,
  folder: string,
  clock: Pick<Clock, 'now'>,
  { tags = true }: { readonly tags?: boolean } = {},
): Promise<Opened<Repository>> {
  const { port: whole, note } = await openRepository(folder, clock, { files: simFiles(life) })
  const port = tags ? whole : withoutTags(whole)
  const mortal = Object.fromEntries(
    Object.entries(port as unknown as Record<string, (...args: unknown[]) => unknown>).map(([name, verb]) => [
      name,
      (...args: unknown[]) => {
        const answer = verb(...args)
        return answer instanceof Promise ? settled(life, answer) : answer
      },
    ]),
  ) as unknown as Repository
  const quarantine = async (digest: string): Promise<Quarantine> => {
    const found = await mortal.quarantine(digest)
    return {
      digest,
      get size() {
        return found.size
      },
      append: bytes => settled(life, found.append(bytes)),
      discard: () => settled(life, found.discard()),
    }
  }
  return { port: { ...mortal, quarantine }, ...(note !== undefined && { note }) }
}

/** A trust version's tag brings the whole roster: on each of N hosts that costs the square, and nobody there reads it. */
function withoutTags(repository: Repository): Repository {
  const tags = new Map<TagRef, Uint8Array>()
  return {
    ...repository,
    putTag: async (ref, body) => {
      tags.set(ref, body)
    },
    tag: async ref => tags.get(ref)?.slice(),
    tags: () => [...tags.keys()],
    dropTag: async ref => {
      tags.delete(ref)
    },
  }
}

function settled<T>(life: Life, promise: Promise<T>): Promise<T> {
  return promise.then(
    value => life.act(() => value),
    error =>
      life.act(() => {
        throw error
      }),
  )
}

export function simDurable(life: Life, folder: string): Durable {
  const files = simFiles(life)
  files.makeFolder(folder)
  const durable = durableIn(folder, {
    read: path => (files.exists(path) ? files.read(path) : undefined),
    makeFolder: files.makeFolder,
    replace: files.replace,
  })
  return {
    read: name => settled(life, durable.read(name)),
    write: (name, bytes) => settled(life, durable.write(name, bytes)),
  }
}

export function simAttempts(life: Life, folder: string): Attempts {
  const files = simFiles(life)
  const path = `${folder}/attempts`
  return attemptsIn({
    read: () => (files.exists(path) ? new TextDecoder().decode(files.read(path)) : ''),
    replace: bytes => files.replace(path, [bytes]),
    remove: () => {
      if (!files.exists(path)) return
      files.remove(path)
      life.disk.flush([])
    },
  })
}

export function simFiles(life: Life): Files {
  const { disk } = life
  const find = (path: string) => {
    life.live()
    return disk.find(path)
  }
  const nodeAt = (path: string): Node => {
    const node = find(path)
    if (node === undefined) throw new DiskError('ENOENT', path)
    return node
  }
  const place = (path: string): [Node, string] => {
    const slash = path.lastIndexOf('/')
    return [nodeAt(path.slice(0, slash) || '/'), path.slice(slash + 1)]
  }
  const put = (path: string, bytes: Uint8Array) => {
    const node = find(path)
    if (node) disk.overwrite(node, bytes)
    else disk.add(...place(path), 'file', { mode: 0o600, ...owner }, bytes)
  }
  const open = (path: string): FileSource => {
    const bytes = disk.read(nodeAt(path))
    return {
      size: bytes.length,
      read: (offset, length) => bytes.subarray(offset, offset + length),
      close: () => {},
    }
  }
  return {
    exists: path => find(path) !== undefined,
    size: path => find(path)?.size ?? 0,
    modifiedMs: path => nodeAt(path).mtimeMs,
    read: path => disk.read(nodeAt(path)),
    open,
    recent: () => ({ of: open, close: () => {} }),
    scan: async path => scan(nodeAt(path), disk.read(nodeAt(path))),
    list: path => {
      const node = nodeAt(path)
      return disk.list(node).map(name => ({ name, isFile: node.entries.get(name)!.kind === 'file' }))
    },
    makeFolder: path => {
      life.live()
      let at = disk.root
      for (const name of path.split('/').filter(each => each !== ''))
        at = at.entries.get(name) ?? disk.add(at, name, 'directory', { mode: 0o700, ...owner })
      if (at.kind !== 'directory') throw new DiskError('EEXIST', path)
    },
    rename: (from, to) => {
      life.live()
      disk.rename(...place(from), ...place(to))
    },
    link: (from, to) => disk.link(...place(to), nodeAt(from)),
    remove: path => {
      if (find(path)) disk.unlink(...place(path))
    },
    write: put,
    append: (path, bytes) => {
      const node = find(path)
      if (node) disk.append(node, bytes)
      else put(path, bytes)
    },
    replace: (path, pieces, temporary) => {
      life.live()
      const bytes = Buffer.concat([...pieces])
      const whole = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
      replaceDurably(life, place(path), whole, owner, temporary === undefined ? undefined : place(temporary))
    },
    sync: path => disk.flush([nodeAt(path)]),
    breathe: async work => {
      let step = work.next()
      while (!step.done) step = work.next()
      return step.value
    },
  }
}

/** Packs by their digest: what was found in them, and the one copy of their bytes that all hosts share. */
const known = new Map<string, { readonly bytes: Uint8Array; readonly scanned: ScannedPack | Refused }>()
/** Of a long campaign, the packs of its last runs. */
const knownMax = 200

function scan(node: Node, bytes: Uint8Array): ScannedPack | Refused {
  const digest = digestOf(bytes)
  let found = known.get(digest)
  if (found === undefined) {
    const own = bytes.slice()
    const work = scanPack({
      size: own.length,
      read: (offset, length) => own.subarray(offset, offset + length),
    })
    let step = work.next()
    while (!step.done) step = work.next()
    found = { bytes: own, scanned: step.value }
    known.set(digest, found)
    if (known.size > knownMax) known.delete(known.keys().next().value!)
  }
  node.chunks = [found.bytes]
  return found.scanned
}
