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
