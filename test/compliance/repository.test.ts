// What every Repository must do, on a real disk with stock git looking on after each change, and on a simulated one.
import { execFileSync } from 'node:child_process'
import fs, { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import isomorphic from 'isomorphic-git'
import { describe, expect, test } from 'vitest'
import { NodeError } from '../../node/errors.ts'
import { openRepository } from '../../node/git.ts'
import type { PackClaim } from '../../node/ports.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import { makePack, release } from '../node/pack-maker.ts'
import {
  chain,
  clock,
  filesOf,
  fsck,
  full,
  git,
  open,
  place,
  places,
  put,
  tagOf,
  treeOf,
  trust,
} from './repository-maker.ts'

describe.each(Object.entries(places))('%s', (_, { place, open, fsck, paths, read }) => {
  describe('a release', () => {
    test('is installed, read, and served again byte for byte, also after a restart', async () => {
      const folder = place()
      let repository = await open(folder)
      const [first] = chain(1)
      const { bytes, claim } = full(first!)
      const installed = await repository.install(bytes, claim)
      if (installed.kind !== 'installed') return expect.fail(installed.detail)
      expect(installed.release.listing.get('files/run')).toMatchObject({ mode: '100755', size: 10 })
      expect([...installed.release.listing.keys()]).toContain('trust/hosts')
      for (const again of [false, true]) {
        if (again) {
          await repository.close()
          repository = await open(folder)
        }
        expect(repository.held()).toEqual([first!.commit])
        expect(await repository.release(first!.commit)).toEqual(installed.release)
        expect(await repository.read(first!.commit, 'files/large')).toEqual(filesOf(1)['files/large'])
        expect(await repository.read(first!.commit, 'nowhere')).toBeUndefined()
        expect(await repository.blob(hex(sha256(utf8('never changes\n'))))).toEqual(utf8('never changes\n'))
        expect(await repository.blob('0'.repeat(64))).toBeUndefined()
        expect(await repository.pack(first!.commit, 'none')).toEqual({
          digest: claim.digest,
          size: bytes.length,
        })
        expect(repository.packSize(claim.digest)).toBe(bytes.length)
        expect(await repository.readPack(claim.digest, 100, 50)).toEqual(bytes.slice(100, 150))
        expect(await repository.readPack(claim.digest, bytes.length - 5, 50)).toEqual(bytes.slice(-5))
        expect(await repository.readPack('0'.repeat(64), 0, 1)).toBeUndefined()
        expect(await repository.readPack(claim.digest, -1, 1)).toBeUndefined()
        expect(await repository.readPack(claim.digest, bytes.length + 9, 1e12)).toEqual(new Uint8Array())
        expect(fsck(folder)).toMatch(/^$|^notice/)
      }
      await expect(repository.release('0'.repeat(40))).rejects.toBeInstanceOf(NodeError)
      await repository.close()
    })

    test('travels on top of one that is held; both hosts make the same packs', async () => {
      const [a, b] = [await open(place()), await open(place())]
      const [one, two] = chain(2)
      for (const repository of [a, b]) await put(repository, one!, 1)
      await put(a, two!, 2)
      const delta = await a.pack(two!.commit, one!.commit)
      const bytes = (await a.readPack(delta.digest, 0, delta.size))!
      expect(bytes.length).toBeLessThan(2000)
      const claim = { digest: delta.digest, base: one!.commit, commit: two!.commit }
      expect(await b.install(bytes, claim)).toMatchObject({ kind: 'installed' })
      expect(await b.pack(two!.commit, 'none')).toEqual(await a.pack(two!.commit, 'none'))
      expect(await b.readPack(delta.digest, 0, delta.size)).toEqual(bytes)
      expect(await b.release(two!.commit)).toEqual(await a.release(two!.commit))
      for (const repository of [a, b]) await repository.close()
    })

    test('any two releases: the pack from one to the other makes the same full pack', async () => {
      const path = fc.stringMatching(/^([A-C]\/){0,2}[a-c][*@]?$/)
      const tree = fc.uniqueArray(fc.tuple(path, fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })), {
        minLength: 1,
        maxLength: 8,
        selector: ([name]) => name.replace(/[*@]$/, ''),
      })
      await fc.assert(
        fc.asyncProperty(tree, tree, async (before, after) => {
          const [a, b] = [await open(place()), await open(place())]
          const one = release(Object.fromEntries(before))
          const two = release(Object.fromEntries(after), one.commit, 'release 2: x')
          for (const repository of [a, b]) await repository.install(full(one).bytes, full(one).claim)
          await a.install(full(two).bytes, full(two).claim)
          const { digest, size } = await a.pack(two.commit, one.commit)
          const bytes = (await a.readPack(digest, 0, size))!
          const claim = { digest, base: one.commit, commit: two.commit }
          expect(await b.install(bytes, claim)).toMatchObject({ kind: 'installed' })
          expect((await b.pack(two.commit, 'none')).digest).toBe(full(two).claim.digest)
          for (const repository of [a, b]) await repository.close()
        }),
        { numRuns: 10 },
      )
    })

    test('that is held already is installed again at no cost, but not under another content', async () => {
      const repository = await open(place())
      const [one] = chain(1)
      await put(repository, one!, 1)
      const { claim } = full(one!)
      expect(await repository.install(new Uint8Array(), claim)).toMatchObject({ kind: 'installed' })
      expect(await repository.install(new Uint8Array(), { ...claim, content: '0'.repeat(64) })).toMatchObject(
        {
          code: 'PACK_CONTENT',
        },
      )
      await repository.close()
    })
  })

  test('changes at one time happen one after another, and reads go on meanwhile', async () => {
    const folder = place()
    const repository = await open(folder)
    const releases = chain(5)
    await put(repository, releases[0]!, 1)
    const same = hex(sha256(utf8('never changes\n')))
    const installs = releases.slice(1).map(each => repository.install(full(each).bytes, full(each).claim))
    const reads = releases.map(() => repository.blob(same))
    const packs = releases.slice(2).map((each, at) => repository.pack(each.commit, releases[at]!.commit))
    for (const each of await Promise.all(installs)) expect(each.kind).toBe('installed')
    for (const each of await Promise.all(reads)) expect(each).toEqual(utf8('never changes\n'))
    expect(new Set((await Promise.all(packs)).map(each => each.digest)).size).toBe(3)
    await repository.prune(new Set([releases[4]!.commit]))
    expect(await repository.blob(same)).toEqual(utf8('never changes\n'))
    expect(fsck(folder)).toMatch(/^$|^notice/)
    await repository.close()
  })

  describe('a pack is refused, and nothing is left of it', () => {
    const [one, two] = chain(2)
    const { bytes, claim } = full(two!)
    const withDigest = (pack: Uint8Array, more: object = {}) => ({
      ...claim,
      digest: hex(sha256(pack)),
      ...more,
    })
    const thin = makePack(two!.objects.filter(({ oid }) => one!.objects.every(other => other.oid !== oid)))
    const cases: [string, Uint8Array, PackClaim, string][] = [
      ['when its digest is another', bytes, { ...claim, digest: '0'.repeat(64) }, 'PACK_DIGEST'],
      ['when it is half a pack', bytes.slice(0, 500), withDigest(bytes.slice(0, 500)), 'PACK_FORM'],
      ['when its content is another', bytes, { ...claim, content: '0'.repeat(64) }, 'PACK_CONTENT'],
      ['when its base is not held', bytes, { ...claim, base: '1'.repeat(40) }, 'PACK_BASE'],
      ['when it repeats its base', bytes, { ...claim, base: one!.commit }, 'PACK_EXTRA'],
      ['when it holds another commit', bytes, { ...claim, commit: '1'.repeat(40) }, 'PACK_MISSING'],
      ['when it leans on a base that it does not name', thin, withDigest(thin), 'PACK_MISSING'],
    ]
    test.each(cases)('%s', async (_, pack, wanted, code) => {
      const folder = place()
      const repository = await open(folder)
      await put(repository, one!, 1)
      const before = paths(folder)
      expect(await repository.install(pack, wanted)).toMatchObject({ kind: 'refused', code })
      expect(paths(folder)).toEqual(before)
      expect(fsck(folder)).toBe('')
      await repository.close()
    })
  })

  describe('a quarantine', () => {
    test('goes on after a restart, then is installed and gone', async () => {
      const folder = place()
      const [one] = chain(1)
      const { bytes, claim } = full(one!)
      let repository = await open(folder)
      expect(await (await repository.quarantine(claim.digest)).append(bytes.slice(0, 1000))).toBe(true)
      await repository.close()
      repository = await open(folder)
      const waiting = await repository.quarantine(claim.digest)
      expect(waiting.size).toBe(1000)
      await waiting.append(bytes.slice(1000))
      expect(await repository.install(waiting, claim)).toMatchObject({ kind: 'installed' })
      expect((await repository.quarantine(claim.digest)).size).toBe(0)
      await repository.close()
    })

    test('takes no more than a pack may have; at most 8 are kept', async () => {
      const folder = place()
      const repository = await open(folder)
      const waiting = await repository.quarantine('0'.repeat(64))
      expect(await waiting.append(new Uint8Array((64 << 20) + 1))).toBe(false)
      expect(waiting.size).toBe(0)
      for (let n = 1; n <= 12; n++)
        await (await repository.quarantine(String(n).padStart(64, '0'))).append(Uint8Array.of(n))
      expect(paths(folder).filter(each => each.startsWith('fleet/quarantine/')).length).toBe(8)
      await repository.close()
    })
  })

  describe('a tag', () => {
    test('whose release is not held, or whose trust files make another tree, is an error', async () => {
      const repository = await open(place())
      const target = '1'.repeat(40)
      const put = (type: 'commit' | 'tree', files?: Map<string, Uint8Array>) =>
        repository.putTag('refs/tags/fleet/1', tagOf(type, target, 1), files)
      await expect(put('commit')).rejects.toMatchObject({ code: 'TAG_TARGET_ABSENT' })
      await expect(put('tree')).rejects.toMatchObject({ code: 'TAG_TARGET_ABSENT' })
      await expect(put('tree', trust(''))).rejects.toMatchObject({ code: 'TAG_FORM' })
      await expect(repository.putTag('refs/tags/fleet/1', utf8('hello'))).rejects.toMatchObject({
        code: 'TAG_FORM',
      })
      await repository.close()
    })

    test('is replaced by another of its name; put twice it is put once', async () => {
      const folder = place()
      const repository = await open(folder)
      for (const roster of ['# one\n', '# two\n', '# two\n']) {
        const files = trust(roster)
        await repository.putTag('refs/tags/fleet/1', tagOf('tree', treeOf(files), 1), files)
      }
      expect(await repository.tag('refs/tags/fleet/1')).toEqual(tagOf('tree', treeOf(trust('# two\n')), 1))
      expect(fsck(folder)).toMatch(/^$|^notice/)
      expect(paths(folder).filter(each => each.startsWith('objects/pack/')).length).toBe(2)
      await repository.close()
    })

    test('of a fork stands beside, and does not move main', async () => {
      const folder = place()
      const repository = await open(folder)
      const [one, two] = chain(2)
      await put(repository, one!, 1)
      await put(repository, two!, 2)
      await repository.putTag(`refs/fleet/fork/${'ab'.repeat(32)}`, tagOf('commit', one!.commit, 2))
      expect(fsck(folder)).toBe('')
      expect(new TextDecoder().decode(read(`${folder}/refs/heads/main`))).toBe(`${two!.commit}\n`)
      await repository.close()
    })
  })
})

describe('stock git', () => {
  test('clones, checks and lists after every change; the newest 10 and Stable stay', async () => {
    const folder = place()
    const repository = await open(folder)
    const releases = chain(14)
    const roster = trust('# roster\n')
    const tree = treeOf(roster)
    await repository.putTag('refs/tags/fleet/1', tagOf('tree', tree, 1), roster)
    for (const [at, each] of releases.entries()) {
      await put(repository, each, at + 2)
      const keep = new Set(
        [releases[0]!, ...releases.slice(0, at + 1).slice(-10)].map(({ commit }) => commit),
      )
      await repository.prune(keep)
      if (at < 2 || at > 9) expect(fsck(folder), `after release ${at + 1}`).toBe('')
    }
    expect(repository.held().length).toBe(11)
    expect(repository.tags().length).toBe(12)
    const clone = place()
    execFileSync('git', ['clone', '-q', `file://${folder}`, clone], { stdio: ['ignore', 'pipe', 'pipe'] })
    expect(readFileSync(join(clone, 'site.steps'), 'utf8')).toBe('# 14\n')
    expect(git(clone, 'log', '--format=%s').trim().split('\n').length).toBe(10)
    expect(git(clone, 'tag').trim().split('\n').length).toBe(12)
    expect(git(clone, 'cat-file', 'tag', 'fleet/1')).toBe(new TextDecoder().decode(tagOf('tree', tree, 1)))
    expect(git(clone, 'show', 'fleet/1:trust/policy')).toBe('threshold = 1\n')
    expect(fsck(clone)).toBe('')
    const local = place()
    execFileSync('git', ['clone', '-q', folder, local], { stdio: ['ignore', 'pipe', 'pipe'] })
    expect(git(local, 'rev-parse', 'HEAD').trim()).toBe(releases.at(-1)!.commit)
    const log = await isomorphic.log({ fs, gitdir: folder, ref: 'main', cache: {} })
    expect(log.map(each => each.oid)).toEqual(
      releases
        .slice(-10)
        .reverse()
        .map(each => each.commit),
    )
    await repository.dropTag('refs/tags/fleet/15')
    expect(git(folder, 'rev-parse', 'main').trim()).toBe(releases.at(-2)!.commit)
    await repository.close()
    const { port, note } = await openRepository(folder, clock)
    expect([port.held().length, port.tags().length, note]).toEqual([11, 11, undefined])
    await port.close()
  })

  test('verifies a tag that was signed by git tag -s', async () => {
    const work = place()
    mkdirSync(work)
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(work, 'key')])
    const [type, key] = readFileSync(join(work, 'key.pub'), 'utf8').split(' ')
    writeFileSync(join(work, 'operators'), `ann@example.org ${type} ${key}\n`)
    const folder = place()
    const repository = await open(folder)
    const [one] = chain(1)
    const { bytes, claim } = full(one!)
    await repository.install(bytes, claim)
    const clone = join(work, 'clone')
    git(folder, 'clone', '-q', '--bare', folder, clone)
    git(clone, 'fetch', '-q', folder, '+refs/fleet/held/*:refs/heads/*')
    const identity = ['-c', 'user.name=Ann', '-c', 'user.email=ann@example.org', '-c', 'gpg.format=ssh']
    git(
      clone,
      ...identity,
      '-c',
      `user.signingkey=${work}/key`,
      'tag',
      '-s',
      '-m',
      'release 1',
      'fleet/2',
      one!.commit,
    )
    const body = execFileSync('git', ['-C', clone, 'cat-file', 'tag', 'fleet/2'])
    await repository.putTag('refs/tags/fleet/2', new Uint8Array(body))
    const check = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${work}/operators`]
    expect(() => git(folder, ...check, 'verify-tag', 'fleet/2')).not.toThrow()
    expect(fsck(folder)).toBe('')
    expect(await repository.tag('refs/tags/fleet/2')).toEqual(new Uint8Array(body))
    await repository.close()
  })
})
