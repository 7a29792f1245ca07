import fc from 'fast-check'
import { expect, test } from 'vitest'
import { World } from '../../sim/world.ts'

test('events come by time, and at one time in the order of asking', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), delays => {
      const world = new World(1)
      const seen: [number, number][] = []
      for (const [at, ms] of delays.entries()) world.after(ms, () => seen.push([world.nowMs, at]))
      while (world.step());
      const asked = delays.map((ms, at): [number, number] => [ms, at])
      expect(seen).toEqual(asked.sort(([a, i], [b, j]) => a - b || i - j))
    }),
  )
})

test('what is cancelled does not happen, what is asked for meanwhile does', () => {
  const world = new World(1)
  const seen: string[] = []
  const cancel = world.after(5, () => seen.push('cancelled'))
  world.after(1, () => {
    cancel()
    world.after(1, () => seen.push(`at ${world.nowMs}`))
  })
  while (world.step());
  expect(seen).toEqual(['at 2'])
})

test('chance is one stream per seed, entity and purpose', () => {
  const draw = (seed: number, entity: string, purpose: string) => {
    const next = new World(seed).chance(entity, purpose)
    return Array.from({ length: 2_000 }, next)
  }
  const a = draw(1, 'a', 'loss')
  expect(draw(1, 'a', 'loss')).toEqual(a)
  for (const other of [draw(2, 'a', 'loss'), draw(1, 'b', 'loss'), draw(1, 'a', 'delay')])
    expect(other).not.toEqual(a)
  expect(a.every(each => each >= 0 && each < 1)).toBe(true)
  expect(Math.abs(a.reduce((sum, each) => sum + each, 0) / a.length - 0.5)).toBeLessThan(0.03)
})

test('waiting for what never happens fails and names the seed', async () => {
  await expect(new World(42).until(() => false)).rejects.toThrow(/seed 42/)
})

test('a late cancel hits nobody else', () => {
  const world = new World(1)
  const seen: string[] = []
  const cancel = world.after(1, () => seen.push('first'))
  world.step()
  world.after(1, () => seen.push('second'))
  cancel()
  while (world.step());
  expect(seen).toEqual(['first', 'second'])
  expect(world.events).toBe(2)
})

test('a run ends at its time, and what was settled on the way has had its turn', async () => {
  const world = new World(1)
  const seen: string[] = []
  world.after(5, () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    void promise.then(() => seen.push(`settled at ${world.nowMs}`))
    resolve()
    world.unsettled()
  })
  world.after(6, () => seen.push('next'))
  world.after(11, () => seen.push('too late'))
  await world.run(10)
  expect(seen).toEqual(['settled at 5', 'next'])
  expect(world.nowMs).toBe(10)
})

test('the trace is told by its hash, whenever it is asked for', () => {
  const hash = (lines: readonly string[], asks: boolean) => {
    const world = new World(1)
    for (const line of lines) {
      world.trace(line)
      if (asks) world.traceHash()
    }
    return world.traceHash()
  }
  const lines = Array.from({ length: 10_000 }, (_, at) => `line ${at}`)
  expect(hash(lines, false)).toBe(hash(lines, true))
  expect(hash(lines.toReversed(), false)).not.toBe(hash(lines, true))
  expect(hash([], false)).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
})
