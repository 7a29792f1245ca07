// What is left of a host's repository after crashes and damage, with stock git looking on.
import { spawnSync } from 'node:child_process'
import { appendFileSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openRepository } from '../../node/git.ts'
import {
  aside,
  chain,
  clock,
  fsck,
  full,
  git,
  open,
  place,
  put,
  tagOf,
  treeOf,
  trust,
} from './repository-maker.ts'

describe('a crash', () => {
  // Each is what the disk may hold when the power fails in the middle of an install.
  const { bytes, claim } = full(chain(2)[1]!)
  const halves: [string, (folder: string) => void][] = [
    ['before the pack is moved', folder => writeFileSync(join(folder, 'fleet/tmp/pack'), bytes)],
    ['after shallow was written', folder => appendFileSync(join(folder, 'shallow'), `${claim.commit}\n`)],
    [
      'before the index is there',
      folder => writeFileSync(join(folder, `objects/pack/pack-${claim.commit}.pack`), bytes),
    ],
  ]
  test.each(halves)(
    '%s leaves a repository that git accepts, and is healed at the next start',
    async (_, crash) => {
      const folder = place()
      const repository = await open(folder)
      const [one] = chain(1)
      await put(repository, one!, 1)
      await repository.close()
      crash(folder)
      expect(() => git(folder, 'fsck', '--strict')).not.toThrow()
      const { port, note } = await openRepository(folder, clock)
      expect([port.held(), note, fsck(folder)]).toEqual([[one!.commit], undefined, ''])
      expect(await port.install(bytes, claim)).toMatchObject({ kind: 'installed' })
      await port.close()
    },
  )
})

test('SIGKILL at any change of the disk leaves what git accepts, and the next start finishes the work', async () => {
  const [one, two] = chain(2)
  const { bytes, claim } = full(two!)
  const [pack, tag] = [place(), place()]
  writeFileSync(pack, bytes)
  writeFileSync(tag, tagOf('commit', two!.commit, 2))
  const program = join(import.meta.dirname, 'crashing.ts')
  // Every point when asked, each 12th otherwise, beginning somewhere else each time.
  const stride = process.env['FLEET_ALL_CRASHES'] ? 1 : 12
  const start = Number(process.env['FLEET_SEED'] ?? Date.now()) % stride
  for (let at = start, killed = true; killed; at += stride) {
    const folder = place()
    const repository = await open(folder)
    await put(repository, one!, 1)
    await repository.close()
    const args = [program, folder, String(at), pack, JSON.stringify(claim), tag]
    killed = spawnSync(process.execPath, args).signal === 'SIGKILL'
    const where = `killed at change ${at} (FLEET_SEED=${start})`
    expect(fsck(folder).replaceAll(/^(notice|dangling|warning|garbage|size-garbage).*\n/gm, ''), where).toBe(
      '',
    )
    const { port, note } = await openRepository(folder, clock)
    expect(note, where).toBeUndefined()
    await put(port, two!, 2)
    await port.prune(new Set([two!.commit]))
    expect([port.held(), port.tags(), fsck(folder)], where).toEqual([
      [two!.commit],
      ['refs/tags/fleet/2'],
      '',
    ])
    await port.close()
  }
})

describe('a damaged repository is set aside, named, and begun anew', () => {
  const [one] = chain(1)
  const pack = `objects/pack/pack-${one!.commit}`
  const damages: [string, (folder: string) => void, RegExp][] = [
    ['a missing index', folder => rmSync(join(folder, `${pack}.idx`)), /idx is missing/],
    [
      'a damaged index',
      folder => writeFileSync(join(folder, `${pack}.idx`), 'x'.repeat(2000)),
      /idx is damaged/,
    ],
    ['a truncated pack', folder => truncateSync(join(folder, `${pack}.pack`), 900), /cut short/],
    [
      'a bad ref',
      folder => writeFileSync(join(folder, 'refs/tags/fleet/1'), 'garbage'),
      /fleet\/1 holds no object id/,
    ],
    [
      'a ref to nothing',
      folder => writeFileSync(join(folder, `refs/tags/fleet/9`), `${'1'.repeat(40)}\n`),
      /is missing/,
    ],
    [
      'a file for a folder',
      folder => {
        rmSync(join(folder, 'refs'), { recursive: true })
        writeFileSync(join(folder, 'refs'), '')
      },
      /EEXIST|ENOTDIR/,
    ],
    ['refs that somebody packed', folder => git(folder, 'pack-refs', '--all'), /packed-refs/],
  ]
  test.each(damages)('%s', async (_, damage, words) => {
    const folder = place()
    const repository = await open(folder)
    await put(repository, one!, 1)
    await repository.close()
    damage(folder)
    const { port, note } = await openRepository(folder, clock)
    expect(note).toMatch(words)
    expect(note).toContain(folder + aside)
    await put(port, one!, 1)
    expect(fsck(folder)).toBe('')
    await port.close()
  })

  test('a byte in a trust tree: found by the audit', async () => {
    const folder = place()
    const repository = await open(folder)
    const files = trust('# roster\n')
    await repository.putTag('refs/tags/fleet/1', tagOf('tree', treeOf(files), 1), files)
    const [name = ''] = readdirSync(join(folder, 'objects/pack')).filter(each => each.endsWith('.pack'))
    const path = join(folder, 'objects/pack', name)
    const bytes = readFileSync(path)
    bytes[bytes.indexOf('# roster')]! ^= 1
    writeFileSync(path, bytes)
    expect(await repository.audit()).toMatch(/^refs\/tags\/fleet\/1: .*Adler/)
    await repository.close()
  })

  test('a byte in the middle of a pack: found by the audit and when it is read', async () => {
    const folder = place()
    const repository = await open(folder)
    await put(repository, one!, 1)
    expect(await repository.audit()).toBeUndefined()
    const path = join(folder, `${pack}.pack`)
    const bytes = readFileSync(path)
    bytes[1000]! ^= 1
    writeFileSync(path, bytes)
    const damage = await repository.audit()
    expect(damage).toMatch(/^release .*Adler|SHA-1/)
    await repository.close()
    const again = await open(folder)
    await expect(again.release(one!.commit)).rejects.toMatchObject({ code: 'REPOSITORY_DAMAGED' })
    await again.close()
    const { port, note } = await openRepository(folder, clock, { damage: damage! })
    expect([port.held(), note?.includes(damage!)]).toEqual([[], true])
    await port.close()
  })
})
