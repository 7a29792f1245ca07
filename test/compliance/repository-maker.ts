// A host's repository in a temporary folder, releases and tags to put into it, and what stock git says of it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect } from 'vitest'
import { openRepository } from '../../node/git.ts'
import { objectId } from '../../node/pack.ts'
import type { PackClaim, Repository } from '../../node/ports.ts'
import { keepTree } from '../../node/publish.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import { SimDisk } from '../../sim/disk.ts'
import { simFiles, simRepository } from '../../sim/files.ts'
import { Life } from '../../sim/life.ts'
import { type Files, makePack, release } from '../node/pack-maker.ts'

const scratch = mkdtempSync(join(tmpdir(), 'fleet-repository-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))
export const clock = { now: () => Date.UTC(2026, 10, 20) }
export const aside = '.damaged-2026-11-20T000000.000Z'

let count = 0
export const place = () => join(scratch, `r${count++}`)
export const open = async (folder: string) => (await openRepository(folder, clock)).port
export const git = (folder: string, ...args: string[]) =>
  execFileSync('git', ['-C', folder, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
/** Everything that stock git says of a repository; '' is good. */
export function fsck(folder: string): string {
  return execFileSync(
    'sh',
    [
      '-c',
      'git -C "$0" fsck --strict --full --no-progress 2>&1; git -C "$0" count-objects -v 2>/dev/null | grep garbage: | grep -v " 0"; true',
      folder,
    ],
    { encoding: 'utf8' },
  )
}

/** Where a repository lies, real or simulated, and what can be seen of it there. */
export interface Place {
  place(): string
  open(folder: string): Promise<Repository>
  /** '' is good. Of a simulated one stock git sees nothing. */
  fsck(folder: string): string
  /** All paths below, sorted. */
  paths(folder: string): string[]
  read(path: string): Uint8Array
}

const disk = new SimDisk(clock.now)
export const places: Record<string, Place> = {
  'git.ts': {
    place,
    open,
    fsck,
    paths: folder => (readdirSync(folder, { recursive: true }) as string[]).sort(),
    read: path => readFileSync(path),
  },
  'sim/files.ts': {
    place: () => `/repositories/r${count++}`,
    open: async folder => (await simRepository(new Life(disk), folder, clock)).port,
    fsck: () => '',
    paths: folder => {
      const { list } = simFiles(new Life(disk))
      const below = (at: string): string[] =>
        list(`${folder}/${at}`).flatMap(({ name, isFile }) =>
          isFile ? [`${at}${name}`] : [`${at}${name}`, ...below(`${at}${name}/`)],
        )
      return below('').sort()
    },
    read: path => simFiles(new Life(disk)).read(path),
  },
}

export const trust = (roster: string) =>
  new Map([
    ['trust/hosts', utf8(roster)],
    ['trust/operators', utf8('# nobody\n')],
    ['trust/policy', utf8('threshold = 1\n')],
  ])
export const filesOf = (n: number): Files => ({
  'site.steps': utf8(`# ${n}\n`),
  'files/same': utf8('never changes\n'),
  'files/run*': utf8('#!/bin/sh\n'),
  'files/link@': utf8('same'),
  'files/large': new Uint8Array(200_000).fill(7),
  ...Object.fromEntries([...trust(`# roster ${n}\n`)]),
})
/** A chain of releases, each with the one before as parent. */
export function chain(length: number) {
  const releases: ReturnType<typeof release>[] = []
  for (let n = 1; n <= length; n++)
    releases.push(release(filesOf(n), releases.at(-1)?.commit, `release ${n}: words`))
  return releases
}
export const full = ({ commit, objects }: ReturnType<typeof release>) => {
  const bytes = makePack(objects)
  return { bytes, claim: { digest: hex(sha256(bytes)), base: 'none', commit } satisfies PackClaim }
}
export const tagOf = (type: 'commit' | 'tree', target: string, n: number) =>
  utf8(
    `object ${target}\ntype ${type}\ntag fleet/${n}\ntagger Ann <ann@example.org> 1795000000 +0000\n\nrelease ${n}\n`,
  )
export async function put(repository: Repository, made: ReturnType<typeof release>, n: number) {
  const { bytes, claim } = full(made)
  expect(await repository.install(bytes, claim)).toMatchObject({ kind: 'installed' })
  await repository.putTag(`refs/tags/fleet/${n}`, tagOf('commit', made.commit, n))
}

/** The id of the tree that holds these files. */
export function treeOf(files: ReadonlyMap<string, Uint8Array>): string {
  return keepTree(new Map([...files].map(([path, bytes]) => [path, { mode: '100644', bytes }])), objectId)
}
