import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { spec as apply } from '../../cli/commands/apply.ts'
import { spec as init } from '../../cli/commands/init.ts'
import { spec as plan } from '../../cli/commands/plan.ts'
import { openEngine } from '../../node/host/main.ts'
import { testIo } from './io.ts'

const folder = mkdtempSync(join(tmpdir(), 'fleet-plan-test-'))
const root = join(folder, 'root')
const state = join(folder, 'state')
const io = testIo(join(folder, 'shop'))

beforeAll(async () => {
  mkdirSync(root)
  await init.run(['shop'], {}, testIo(folder))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Every file of a folder with its content. */
const walk = (dir: string) =>
  readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter(each => each.isFile())
    .map(each => join(each.parentPath, each.name))
    .sort()
    .map(path => [path, readFileSync(path, 'latin1')])

test('a plan leaves no trace, also while an agent holds the state', async () => {
  expect((await plan.run([], { root, state }, io)).exit).toBe(4)
  expect(readdirSync(folder).sort()).not.toContain('state')
  await apply.run([], { root, state }, io)
  writeFileSync(join(root, 'etc/motd'), 'mine')
  const engine = openEngine({
    root,
    state: join(state, 'host'),
    now: () => 0,
    random: () => 0,
  })
  try {
    const before = [walk(state), walk(root)]
    const answer = await plan.run([], { root, state }, io)
    expect(answer.text()).toContain('repair  exact  TEMPLATE /etc/motd')
    expect([walk(state), walk(root)]).toEqual(before)
    await expect(apply.run([], { root, state }, io)).rejects.toMatchObject({
      code: 'STATE_LOCKED',
      hint: expect.stringContaining('fleet apply --agent'),
    })
  } finally {
    engine.close()
  }
})

test('what cannot be done is said, with exit 1', async () => {
  const other = join(folder, 'other')
  cpSync(root, other, { recursive: true })
  rmSync(join(other, 'etc'), { recursive: true })
  writeFileSync(join(other, 'etc'), 'a file')
  const answer = await plan.run([], { root: other, state: join(folder, 'none') }, io)
  expect(answer.exit).toBe(1)
  expect(answer.text()).toMatch(/cannot: MKDIR \/etc \(base system\): WRONG_TYPE/)
})

test('a machine that nobody named is not changed', async () => {
  // The declaration is empty, in case that this ever fails.
  writeFileSync(join(folder, 'shop', 'site.steps'), '')
  await expect(apply.run([], { state: join(folder, 'none') }, io)).rejects.toThrow('is not on the roster')
  expect(readdirSync(folder)).not.toContain('none')
})

test('a check that leaves is not counted as kept', async () => {
  const own = { root: join(folder, 'checked'), state: join(folder, 'checked-state') }
  const steps = join(folder, 'shop', 'site.steps')
  const was = readFileSync(steps, 'utf8')
  mkdirSync(own.root)
  writeFileSync(steps, 'MKDIR /srv\nCHECK command true\n')
  await apply.run([], own, io)
  writeFileSync(steps, 'MKDIR /srv\n')
  expect((await plan.run([], own, io)).text()).toContain('nothing to do: 1 step kept')
  writeFileSync(steps, was)
})
