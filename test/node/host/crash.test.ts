// Killed at every call that changes something, in turn: what is left is the old or the new state, whole.
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isDeepStrictEqual } from 'node:util'
import { expect, test } from 'vitest'
import { fakeOf, first, second, tree } from './crash-child.ts'
import { about, type Ground, ground, payloads, walk } from './ground.ts'

const child = fileURLToPath(new URL('crash-child.ts', import.meta.url))
const all = process.env['FLEET_CRASH'] === 'all'
const seed = Number(process.env['FLEET_SEED'] ?? randomInt(1000))
const stride = all ? 1 : 12

function die(dir: string, mode: string, at: number): number | undefined {
  const done = spawnSync(process.execPath, [child, dir, mode, String(at)], { encoding: 'utf8' })
  if (done.signal === 'SIGKILL') return undefined
  if (done.status !== 0) throw new Error(`the child failed: ${done.stderr}`)
  return Number(done.stdout.trim().split('\n').at(-1))
}

const open = (here: Ground) => here.open({ providers: fakeOf(here).providers })
/** All that can be seen of the machine. */
const seen = (here: Ground) => ({ files: here.walk(), states: fakeOf(here).states() })

async function template(): Promise<{ dir: string; bare: object; a: object; b: object }> {
  const here = ground()
  here.fill(tree)
  fakeOf(here).set('sysctl:vm.swappiness', { value: '60' })
  const bare = seen(here)
  const engine = open(here)
  await engine.run(first, about('1'), payloads)
  const a = seen(here)
  engine.close()
  const copy = clone(here.dir)
  const other = open(copy)
  expect((await other.run(second, about('2'), payloads)).notKept).toEqual([])
  const b = seen(copy)
  other.close()
  return { dir: here.dir, bare, a, b }
}

function clone(dir: string): Ground {
  const here = ground()
  spawnSync('cp', ['-a', '-T', dir, here.dir])
  return here
}

async function judge(here: Ground, states: readonly object[], { bare, b }: { bare: object; b: object }) {
  const engine = open(here)
  await engine.recover()
  const found = seen(here)
  const nearest = states.find(each => isDeepStrictEqual(each, found)) ?? states[0]
  expect(found).toEqual(nearest)
  expect(engine.dirty()).toEqual([])
  expect((await engine.run(second, about('2'), payloads)).notKept).toEqual([])
  expect(seen(here)).toEqual(b)
  expect((await engine.run(second, about('2'), payloads)).kind).toBe('unchanged')
  expect((await engine.run([], about('0'), payloads)).notKept).toEqual([])
  expect(seen(here)).toEqual(bare)
  expect(fs.readdirSync(`${here.state}/saved`)).toEqual([])
  engine.close()
  fs.rmSync(here.dir, { recursive: true, force: true })
}

for (const mode of ['apply', 'undo'] as const)
  test(`killed while it is to ${mode}, every ${stride === 1 ? '' : `${stride}th `}call (seed ${seed})`, async () => {
    const made = await template()
    const states = mode === 'apply' ? [made.a, made.b] : [made.a, made.bare]
    const whole = clone(made.dir)
    const calls = die(whole.dir, mode, Number.POSITIVE_INFINITY)!
    expect(calls).toBeGreaterThan(50)
    for (let at = seed % stride; at < calls; at += stride) {
      const here = clone(made.dir)
      expect(die(here.dir, mode, at)).toBe(undefined)
      // Every third time the recovery is killed as well.
      if (at % 3 === 0) die(here.dir, 'recover', (at * 7) % 40)
      await judge(here, states, made).catch(error => {
        error.message += `\nkilled at call ${at} of ${calls}, seed ${seed}`
        throw error
      })
    }
    expect(Object.keys(walk(whole.root)).length).toBeGreaterThan(5)
  }, 300_000)
