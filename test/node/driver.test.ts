// The loop around an agent: what it does when those fail who carry out effects.
import { expect, test } from 'vitest'
import { Driver } from '../../node/driver.ts'
import type { DriverPorts } from '../../node/driver-ports.ts'
import type { Effect, Input } from '../../node/effects.ts'

test('CHECKs that cannot be asked are asked again, and say nothing of the release till then', async () => {
  const heard: Input[] = []
  const logged: unknown[] = []
  const timers: (() => void)[] = []
  let asked = 0
  const check = async () => {
    asked++
    if (asked < 3) throw new Error('EIO: the disk')
    return undefined
  }
  const agent = {
    wakeMs: () => Number.POSITIVE_INFINITY,
    handle: (input: Input): Effect[] => {
      heard.push(input)
      return input.kind === 'tick' ? [{ kind: 'check', entry: 'a' }] : []
    },
  }
  const driver = new Driver({
    agent,
    runner: { check },
    clock: { now: () => 0, steady: () => 0 },
    timers: {
      after: (ms: number, action: () => void) => {
        if (ms < Number.POSITIVE_INFINITY) timers.push(action)
        return () => {}
      },
    },
    log: (_: string, event: string, data: object) => logged.push([event, data]),
  } as unknown as DriverPorts)
  driver.feed({ kind: 'tick' })
  for (const times of [1, 2]) {
    await new Promise(setImmediate)
    expect([asked, heard.length, timers.length]).toEqual([times, 1, 1])
    timers.pop()!()
  }
  await new Promise(setImmediate)
  expect(heard.at(-1)).toEqual({ kind: 'checked', entry: 'a', failing: [] })
  expect(logged).toHaveLength(2)
})
