import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Calendar } from '../../sim/calendar.ts'

/** Pushes after the time that was popped last, and pops. */
const moves = fc.array(
  fc.oneof(
    fc.record({ ms: fc.oneof(fc.nat(5), fc.nat(5_000), fc.nat(200_000)) }),
    fc.constant('pop' as const),
  ),
  { maxLength: 500 },
)

test('slots come by time, and at one time in the order of pushing, near or far', () => {
  fc.assert(
    fc.property(moves, all => {
      const calendar = new Calendar()
      const waiting: { atMs: number; order: number; slot: number }[] = []
      const take = () => {
        const next = waiting.sort((a, b) => a.atMs - b.atMs || a.order - b.order).shift()
        expect(calendar.pop()).toBe(next?.slot ?? -1)
        if (next) expect(calendar.nowMs).toBe(next.atMs)
      }
      for (const [order, move] of all.entries()) {
        if (move === 'pop') take()
        else {
          const atMs = calendar.nowMs + move.ms
          waiting.push({ atMs, order, slot: calendar.push(atMs) })
        }
        expect(calendar.size).toBe(waiting.length)
      }
      while (waiting.length > 0) take()
    }),
  )
})

test('what is later than asked for stays, near or far', () => {
  const calendar = new Calendar()
  const [near, far] = [calendar.push(10), calendar.push(100_000)]
  expect([calendar.pop(9), calendar.pop(10), calendar.pop(99_999)]).toEqual([-1, near, -1])
  calendar.advance(99_000)
  expect(calendar.pop()).toBe(far)
})
