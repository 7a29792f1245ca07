// Hosts that were away, lost something, or were killed: all come back to the newest entry, say what was damaged, and apply
// nothing but the newest release on the way.
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, git, until } from './fleet.ts'

let fleet: Fleet
const files = (version: string) => ({ 'files/app/a': `a ${version}\n`, 'files/app/b': `b ${version}\n` })

beforeAll(async () => {
  fleet = await Fleet.begin(['h1', 'h2', 'h3'])
  fleet.write('site.steps', 'TREE files/app /etc/app\n')
  fleet.write('files/app/same', 'the same in all releases\n')
  const first = await fleet.release('first', files('1'))
  await fleet.converged(first, 'h1', 'h2', 'h3')
})
afterAll(() => fleet?.close())

const state = (name: string, path: string) => join(fleet.host(name).state, path)

/** Sequences of the releases that a host's runs began since so many lines of its log. */
const runsSince = (name: string, lines: number) =>
  fleet
    .lines(name)
    .slice(lines)
    .filter(each => each.event === 'run started')
    .map(each => each['sequence'])

/** Stops hosts, does something to each, publishes meanwhile, starts them: both must take the newest release and nothing else. */
async function returns(
  subject: string,
  damage: Readonly<Record<string, () => void>>,
  releases = 1,
): Promise<Map<string, number>> {
  const names = Object.keys(damage)
  const before = new Map(names.map(name => [name, fleet.lines(name).length]))
  await Promise.all(names.map(name => fleet.stop(name)))
  for (const name of names) damage[name]!()
  let newest = 0
  for (let i = 1; i <= releases; i++) newest = await fleet.release(subject, files(`${subject} ${i}`))
  await Promise.all(names.map(name => fleet.start(name)))
  await fleet.converged(newest, 'h1', ...names)
  for (const name of names) {
    expect(fleet.fingerprint(name)).toBe(fleet.fingerprint('h1'))
    expect(runsSince(name, before.get(name)!)).toEqual([newest])
  }
  return before
}

const notes = (name: string, since: number, event: string) =>
  fleet
    .lines(name)
    .slice(since)
    .filter(each => each.event === event && each.level === 'error')

test('a host that was off for several releases takes the newest only; one that lost its store, too', async () => {
  await returns('off', { h2: () => {}, h3: () => rmSync(state('h3', 'db'), { recursive: true }) }, 2)
  const log = (await fleet.log('h3'))!.map(each => each.sequence)
  expect(log).toEqual(expect.arrayContaining([1, 2, (await fleet.status('h1'))!.head!.sequence]))
})

test('a damaged store and a damaged repository are named in the log, set aside and fetched anew', async () => {
  const before = await returns('damage', {
    h2: () => {
      for (const name of readdirSync(state('h2', 'db')))
        writeFileSync(state('h2', join('db', name)), randomBytes(512))
    },
    h3: () => {
      const folder = state('h3', 'repo.git/objects/pack')
      for (const name of readdirSync(folder).filter(each => each.endsWith('.pack')))
        truncateSync(join(folder, name), 100)
    },
  })
  expect(notes('h2', before.get('h2')!, 'store rebuilt')).toMatchObject([
    { note: expect.stringContaining(state('h2', 'db')) },
  ])
  expect(notes('h3', before.get('h3')!, 'repository rebuilt')).toMatchObject([
    { note: expect.stringContaining(state('h3', 'repo.git')) },
  ])
  for (const name of ['h2', 'h3']) {
    expect(git(state(name, 'repo.git'), 'fsck', '--strict')).toBe('')
    const trust = git(state(name, 'repo.git'), 'tag', '--list', 'fleet/1', 'fleet/2')
    expect(trust.trim().split('\n')).toEqual(['fleet/1', 'fleet/2'])
  }
})

test('a host survives the loss of one floor, and of both', async () => {
  const before = await returns('floors', {
    h2: () => writeFileSync(state('h2', 'floor'), 'fleet/file/1 nonsense\n'),
    h3: () => {
      rmSync(state('h3', 'floor'))
      rmSync(state('h3', 'log/floor'))
    },
  })
  expect(notes('h2', before.get('h2')!, 'floor damaged')).toMatchObject([
    { detail: expect.stringContaining(state('h2', 'floor')) },
  ])
  for (const name of ['h2', 'h3'])
    for (const floor of ['floor', 'log/floor']) expect(existsSync(state(name, floor))).toBe(true)
})

test('a host that lost all but its key and the fleet it joined comes back', async () => {
  await returns('bare', {
    h3: () => {
      for (const each of ['db', 'repo.git', 'floor', 'log', 'counter'])
        rmSync(state('h3', each), { recursive: true, force: true })
    },
  })
})

test('a host that comes late takes the newest release and no other', async () => {
  await fleet.enroll('h4')
  fleet.commit('Enroll h4')
  const { trust, release } = await fleet.publish('late')
  expect([trust?.sequence, release]).toEqual([expect.any(Number), null])
  await fleet.start('h4')
  const newest = (await fleet.status('h1'))!.release!.sequence
  await fleet.converged(newest, 'h4')
  expect(runsSince('h4', 0)).toEqual([newest])
  expect(fleet.fingerprint('h4')).toBe(fleet.fingerprint('h1'))
})

test('a pack of several MiB reaches all, also hosts that are killed while they fetch or apply it', async () => {
  // Content that no compression and no delta makes small.
  for (let i = 0; i < 12; i++) fleet.write(`files/app/large/${i}`, randomBytes(512 << 10))
  const victims: readonly (readonly [string, () => boolean])[] = [
    ['h2', () => readdirSync(state('h2', 'repo.git/fleet/quarantine')).length > 0],
    ['h3', () => fleet.lines('h3', 'run started').length > runs],
  ]
  const runs = fleet.lines('h3', 'run started').length
  const killed = victims.map(async ([name, now]) => {
    await until(`a moment to kill ${name}`, () => now() || undefined, 60_000, 1)
    await fleet.kill(name)
  })
  const newest = await fleet.release('large', files('large'))
  await Promise.all(killed)
  await Promise.all(victims.map(([name]) => fleet.start(name)))
  await fleet.converged(newest, 'h1', 'h2', 'h3', 'h4')
  for (const name of ['h2', 'h3', 'h4']) expect(fleet.fingerprint(name)).toBe(fleet.fingerprint('h1'))
})
