// The real engine on a simulated disk: killed, cut off from power, out of space or failed by the disk at any change, it
// leaves the old state or the new one, whole, and says what came of the run.
import { randomInt } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Step } from '../../node/host/steps/step.ts'
import { Killed } from '../../sim/life.ts'
import { about, payloads } from '../node/host/ground.ts'
import { fill, newDisk, parts, savedNames, seen, start, stepsOf, tree } from './ground.ts'

const seed = Number(process.env['FLEET_SEED'] ?? randomInt(2 ** 31))
const runs = Number(process.env['FLEET_RUNS'] ?? 100)

const role = fc.array(fc.constantFrom('', '1', '2'), { minLength: parts.length, maxLength: parts.length })

/** A disk with role `a` in force, and what it looks like without, with `a`, and with `b`. */
async function prepared(a: readonly Step[], b: readonly Step[]) {
  const disk = newDisk()
  fill(disk, tree)
  const bare = seen(disk)
  const first = start(disk)
  expect((await first.engine.run(a, about('1'), payloads)).notKept).toEqual([])
  first.engine.close()
  disk.flush()
  const before = seen(disk)
  const template = disk.snapshot()
  const second = start(disk)
  await second.engine.recover()
  const from = disk.changes
  expect((await second.engine.run(b, about('2'), payloads)).notKept).toEqual([])
  const changes = disk.changes - from
  const after = seen(disk)
  const fresh = () => {
    const other = newDisk()
    other.restore(template)
    return other
  }
  return { fresh, bare, before, after, changes }
}

/** Without what commands have made: the way back from an undo that was begun is another undo. */
const exact = ({ '/ran': _, '/reloaded': __, ...rest }: Record<string, unknown>) => rest

/** Everything goes on as if nothing had been. */
async function judge(
  disk: ReturnType<typeof newDisk>,
  b: readonly Step[],
  {
    bare,
    before,
    after,
  }: { bare: Record<string, unknown>; before: Record<string, unknown>; after: Record<string, unknown> },
) {
  const { engine } = start(disk)
  const { dirty } = await engine.recover()
  expect(dirty).toEqual([])
  const found = seen(disk)
  const id = engine.inForce()?.about.id
  expect(exact(found)).toEqual(exact(id === '2' ? after : before))
  expect((await engine.run(b, about('2'), payloads)).notKept).toEqual([])
  expect(seen(disk)).toEqual(after)
  expect((await engine.run(b, about('2'), payloads)).kind).toBe('unchanged')
  expect((await engine.run([], about('0'), payloads)).notKept).toEqual([])
  expect(seen(disk)).toEqual(bare)
  expect(savedNames(disk)).toEqual([])
  engine.close()
}

/** Fractions of the run at which something happens; the chance of a power cut. */
const moment = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

test(`killed or without power at any change, old or new stands (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(
      role,
      role,
      fc.array(
        fc.tuple(moment, fc.boolean(), fc.option(moment), fc.array(moment, { minLength: 40, maxLength: 40 })),
        { minLength: 3, maxLength: 3 },
      ),
      async (one, other, deaths) => {
        const [a, b] = [stepsOf(one), stepsOf(other)]
        const made = await prepared(a, b)
        for (const [at, power, again, lots] of deaths) {
          const disk = made.fresh()
          let lot = 0
          const random = () => lots[lot++ % lots.length]!
          const die = async (
            within: number,
            action: (ground: ReturnType<typeof start>) => Promise<unknown>,
          ) => {
            const ground = start(disk)
            ground.life.dieAt(Math.floor(within))
            await action(ground).catch(error => {
              if (!(error instanceof Killed)) throw error
            })
            ground.life.end()
            if (power) disk.crash(random)
          }
          await die(at * (made.changes + 2), ({ engine }) =>
            engine.recover().then(() => engine.run(b, about('2'), payloads)),
          )
          if (again !== null) await die(again * 30, ({ engine }) => engine.recover())
          await judge(disk, b, made)
        }
      },
    ),
    { seed, numRuns: runs },
  )
}, 120_000)

/** What the disk does at one change, or from there on. */
const mishaps = {
  'is full from there on': disk => {
    disk.faults.full = true
  },
  'fails once': disk => {
    disk.faults.errors = 1
  },
} satisfies Record<string, (disk: ReturnType<typeof newDisk>) => void>

for (const [words, strike] of Object.entries(mishaps))
  test(`a disk that ${words}, at any change: the old state stands, and the run says so (seed ${seed})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        role,
        role,
        fc.array(moment, { minLength: 3, maxLength: 3 }),
        async (one, other, moments) => {
          const [a, b] = [stepsOf(one), stepsOf(other)]
          const made = await prepared(a, b)
          for (const at of moments) {
            const disk = made.fresh()
            const { engine, life } = start(disk)
            await engine.recover()
            life.at(Math.floor(at * made.changes), () => {
              strike(disk)
              // The fault shows at this change; the next one is well again.
              life.at(0, () => {
                disk.faults.errors = 0
              })
            })
            const outcome = await engine.run(b, about('2'), payloads)
            life.at(Number.POSITIVE_INFINITY, () => {})
            disk.faults.full = false
            disk.faults.errors = 0
            // Some ways back need room, too: then the host says that it is DIRTY, and why, and nothing is hidden.
            if (outcome.dirty.some(each => each.code === 'DISK_FULL')) {
              expect([outcome.kind, engine.inForce()?.about.id]).toEqual(['failed', '1'])
              expect(outcome.notKept.length).toBeGreaterThan(0)
              continue
            }
            expect(outcome.dirty).toEqual([])
            const done = outcome.kind === 'applied' || outcome.kind === 'unchanged'
            if (!done) expect(outcome.notKept.length).toBeGreaterThan(0)
            expect(engine.inForce()?.about.id).toBe(done ? '2' : '1')
            if (!done) await engine.recover()
            expect(exact(seen(disk))).toEqual(exact(done ? made.after : made.before))
            engine.close()
            await judge(disk, b, made)
          }
        },
      ),
      { seed, numRuns: Math.ceil(runs / 3) },
    )
  }, 120_000)
