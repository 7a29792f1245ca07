import { expect, test } from 'vitest'
import { type Campaign, runCampaign, type Worker } from '../../sim/campaign.ts'
import type { Outcome } from '../../sim/outcome.ts'
import { outcome } from './outcomes.ts'

/** Fake processes and a fake clock. `13` takes its process along, `14` hangs; a bound passes when the test says so. */
class Stage {
  started = 0
  readonly running = new Set<object>()
  readonly outcomes: Outcome[] = []
  readonly late: number[] = []
  readonly bounds: (() => void)[] = []
  /** Called when a seed hangs. */
  onHang = () => {}
  most = 0
  readonly stop = Promise.withResolvers<void>()

  run(some: Partial<Campaign> & Pick<Campaign, 'seeds'>): Promise<boolean> {
    return runCampaign({
      jobs: 2,
      start: () => this.#start(),
      nowMs: () => 0,
      after: (_ms, action) => {
        this.bounds.push(action)
        return () => {
          this.bounds.splice(this.bounds.indexOf(action), 1)
        }
      },
      boundMs: 60_000,
      stopped: this.stop.promise,
      onOutcome: (each, isLate) => {
        this.outcomes.push(each)
        if (isLate) this.late.push(each.seed)
      },
      ...some,
    })
  }

  #start(): Worker {
    this.started++
    const process = {}
    this.running.add(process)
    this.most = Math.max(this.most, this.running.size)
    let reject: (error: Error) => void = () => {}
    return {
      run: seed => {
        if (!this.running.has(process)) return Promise.reject(new Error('gone'))
        if (seed === 13) {
          this.running.delete(process)
          return Promise.reject(new Error('its process ended (SIGSEGV)'))
        }
        if (seed !== 14) return Promise.resolve(outcome({ seed }))
        return new Promise((_, no) => {
          reject = no
          this.onHang()
        })
      },
      end: () => {
        this.running.delete(process)
        reject(new Error('ended'))
      },
    }
  }
}

const seedsOf = (outcomes: readonly Outcome[]) => outcomes.map(each => each.seed).sort((a, b) => a - b)

test('each seed once, no more workers than jobs, none left over', async () => {
  const stage = new Stage()
  const seeds = Array.from({ length: 10 }, (_, i) => i)
  expect(await stage.run({ seeds })).toBe(true)
  expect(seedsOf(stage.outcomes)).toEqual(seeds)
  expect([stage.started, stage.most, stage.running.size, stage.bounds.length]).toEqual([2, 2, 0, 0])
})

test('no seeds, no processes', async () => {
  const stage = new Stage()
  expect(await stage.run({ seeds: [] })).toBe(true)
  expect(stage.started).toBe(0)
})

test('a seed that takes its process along is a crash; the next gets a new process', async () => {
  const stage = new Stage()
  expect(await stage.run({ seeds: [12, 13, 15], jobs: 1 })).toBe(true)
  expect(stage.outcomes.map(each => [each.seed, each.ending])).toEqual([
    [12, 'ok'],
    [13, 'crash'],
    [15, 'ok'],
  ])
  expect(stage.outcomes[1]!.violations[0]!.text).toBe('its process ended (SIGSEGV)')
  expect(stage.late).toEqual([])
  expect(stage.started).toBe(2)
})

test('a process is for a hundred seeds', async () => {
  const stage = new Stage()
  const seeds = Array.from({ length: 250 }, (_, i) => 100 + i)
  expect(await stage.run({ seeds, jobs: 1 })).toBe(true)
  expect(stage.outcomes.length).toBe(250)
  expect([stage.started, stage.most, stage.running.size]).toEqual([3, 1, 0])
})

test('a seed that takes too long is a crash, and its process is ended', async () => {
  const stage = new Stage()
  stage.onHang = () => queueMicrotask(() => stage.bounds[0]!())
  expect(await stage.run({ seeds: [14, 15], jobs: 1 })).toBe(true)
  expect(stage.outcomes.map(each => [each.seed, each.ending])).toEqual([
    [14, 'crash'],
    [15, 'ok'],
  ])
  expect(stage.outcomes[0]!.violations[0]!.text).toMatch(/^took longer than 60 s/)
  expect(stage.late).toEqual([14])
  expect([stage.started, stage.running.size]).toEqual([2, 0])
})

test('stopped: what runs is dropped, and counts for nothing', async () => {
  const stage = new Stage()
  stage.onHang = () => stage.stop.resolve()
  expect(await stage.run({ seeds: [1, 14, 2, 3], jobs: 1 })).toBe(false)
  expect(seedsOf(stage.outcomes)).toEqual([1])
  expect(stage.running.size).toBe(0)
})

test('an outcome that cannot be kept ends the campaign', async () => {
  const stage = new Stage()
  const onOutcome = () => {
    throw new Error('disk full')
  }
  await expect(stage.run({ seeds: [1, 14, 2], onOutcome })).rejects.toThrow('disk full')
  expect(stage.running.size).toBe(0)
})
