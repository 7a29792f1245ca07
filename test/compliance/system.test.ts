// What every System must do, run on a real machine in a temporary root and on the simulator's: the same answers, the same
// errors, the same tree. A property compares the two over any list of calls.
import { randomInt } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { StepError } from '../../node/host/errors.ts'
import { openMachine } from '../../node/host/linux.ts'
import type { Stat, System } from '../../node/host/system.ts'
import { SimDisk } from '../../sim/disk.ts'
import { Life } from '../../sim/life.ts'
import { openSimMachine } from '../../sim/machine.ts'
import { as, bytes, type Call, table } from './system-table.ts'

const seed = Number(process.env['FLEET_SEED'] ?? randomInt(2 ** 31))
const runs = Number(process.env['FLEET_RUNS'] ?? 60)
const isRoot = process.getuid!() === 0

const scratch = fs.mkdtempSync(join(tmpdir(), 'fleet-system-'))
afterAll(() => fs.rmSync(scratch, { recursive: true, force: true }))
let made = 0

function real(): System {
  const dir = join(scratch, String(made++))
  for (const each of ['root', 'state/saved', 'state/drift'])
    fs.mkdirSync(join(dir, each), { recursive: true })
  return openMachine(join(dir, 'root'), join(dir, 'state'))
}

function fake(): System {
  const disk = new SimDisk(() => 1_795_000_000_000)
  const [uid, gid] = [process.getuid!(), process.getgid!()]
  const run = async () => ({ code: 0, timedOut: false, output: '' })
  return openSimMachine(new Life(disk), { root: '/root', state: '/state', uid, gid, run })
}

const machines = { 'linux.ts': real, 'sim/machine.ts': fake }

const text = (value: unknown) => (value instanceof Uint8Array ? new TextDecoder().decode(value) : value)

/** What all machines have in common: neither inodes nor times, of a directory no size. */
const look = ({ kind, mode, uid, gid, size }: Stat) => ({
  kind,
  mode,
  uid,
  gid,
  ...(kind !== 'directory' && { size }),
})

/** What came of a call, in words that can be compared. */
async function done(machine: System, [name, ...args]: Call): Promise<unknown> {
  try {
    const value = await (machine[name] as (...args: unknown[]) => unknown)(...args)
    if (value instanceof Set) return [...value]
    return value && typeof value === 'object' && 'ino' in value ? look(value as Stat) : text(value)
  } catch (error) {
    if (!(error instanceof StepError)) throw error
    return `${error.reason.code} ${error.reason.path}`
  }
}

/** All that can be seen below a directory; second names of a file are told from copies. */
function tree(machine: System, directory: string): Record<string, unknown> {
  machine.settle()
  machine.guard(new Set())
  const inodes = new Map<number, string>()
  const seen: Record<string, unknown> = {}
  const visit = (at: string) => {
    for (const name of machine.list(at)) {
      const path = at === '/' ? `/${name}` : `${at}/${name}`
      const stat = machine.lstat(path)!
      const { kind, ino } = stat
      const content =
        kind === 'file' ? text(machine.read(path, 1e6)) : kind === 'link' ? machine.readlink(path) : ''
      seen[path] = {
        ...look(stat),
        content,
        ...(kind !== 'directory' && inodes.has(ino) && { same: inodes.get(ino) }),
      }
      inodes.set(ino, path)
      if (kind === 'directory') visit(path)
    }
  }
  visit(directory)
  return seen
}

const trees = (machine: System) => ({ ...tree(machine, '/'), ...tree(machine, 'saved') })

describe.skipIf(!isRoot).each(Object.entries(machines))('%s', (_, open) => {
  test.each(table)('%s', async (_, calls, wanted) => {
    const machine = open()
    let last: unknown
    for (const call of calls) last = await done(machine, call)
    expect(last).toEqual(wanted)
  })

  test('each change shows in inode, change time or size', async () => {
    const machine = open()
    const looks: Stat[] = []
    const see = () => looks.push(machine.lstat('/a')!)
    machine.create('/a', bytes('a'), as())
    see()
    machine.chmod('/a', 0o640)
    see()
    machine.link('/a', '/b')
    machine.create('/c', bytes('a'), as(0o640))
    machine.rename('/c', '/a')
    see()
    expect(looks[1]!.ino).toBe(looks[0]!.ino)
    expect(looks[1]!.mtimeMs).toBe(looks[0]!.mtimeMs)
    expect(looks[2]!.ino).not.toBe(looks[1]!.ino)
    expect(machine.lstat('/b')!.ino).toBe(looks[0]!.ino)
    expect(machine.lstat('/')!.dev).toBe(machine.lstat('saved')!.dev)
  })
})

const target = fc.constantFrom('/a', '/b', '/a/c', '/b/c', '/a/c/d', '/l', '/l/c', '/b/..')
const kept = fc.constantFrom('saved/1', 'saved/2', 'saved/1/x')
const place = fc.oneof({ weight: 3, arbitrary: target.filter(each => !each.endsWith('..')) }, kept)
const ownership = fc.record({
  mode: fc.constantFrom(undefined, 0o600, 0o644, 0o2755, 0o4711),
  uid: fc.constantFrom(undefined, 0, 12),
  gid: fc.constantFrom(undefined, 0, 34),
})
const content = fc.constantFrom('', 'x', 'longer').map(bytes)
const call: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(fc.constant('create' as const), place, content, ownership),
  fc.tuple(fc.constant('mkdir' as const), place, ownership),
  fc.tuple(
    fc.constant('symlink' as const),
    place,
    fc.constantFrom('a', 'b', '/a', '../b', 'gone', 'c'),
    ownership,
  ),
  fc.tuple(fc.constant('rename' as const), place, place),
  fc.tuple(fc.constant('link' as const), place, place),
  fc.tuple(fc.constantFrom('unlink' as const, 'rmdir' as const, 'removeTree' as const), place),
  fc.tuple(fc.constantFrom('lstat' as const, 'digest' as const, 'readlink' as const), place),
  fc.tuple(fc.constant('read' as const), place, fc.constant(5000)),
  fc.tuple(fc.constant('chown' as const), place, fc.constantFrom(0, 12), fc.constantFrom(0, 34)),
  fc.tuple(fc.constant('flush' as const), fc.array(place, { minLength: 1, maxLength: 2 })),
  fc.tuple(fc.constant('append' as const), fc.constantFrom('log', 'saved/log'), content, fc.boolean()),
  fc.tuple(fc.constant('replace' as const), fc.constantFrom('log', 'saved/log'), content),
  fc.tuple(fc.constant('truncate' as const), fc.constantFrom('log', 'saved/log'), fc.nat(8)),
  fc.tuple(
    fc.constant('guard' as const),
    fc.constantFrom([], ['/'], ['/a']).map(each => new Set(each)),
  ),
  fc.tuple(fc.constant('settle' as const)),
)

test.skipIf(!isRoot)(`any calls have the same answers and leave the same tree (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 5, maxLength: 30 }), async calls => {
      const [here, there] = [real(), fake()]
      for (const each of calls)
        expect([each, await done(there, each)]).toEqual([each, await done(here, each)])
      expect(trees(there)).toEqual(trees(here))
      ;(here as ReturnType<typeof openMachine>).close()
    }),
    { seed, numRuns: runs },
  )
})
