// Orders from an operator's laptop: a halt holds, resume lets go, a host that failed tries again, an expired release is fresh again.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, until } from './fleet.ts'

let fleet: Fleet
const names = ['h1', 'h2', 'h3']
interface Given {
  readonly order: string
  readonly release: { readonly sequence: number }
  readonly ids: readonly string[]
  readonly held: number
  readonly stage?: number
}
const give = async (...args: string[]): Promise<Given> =>
  JSON.parse((await fleet.run([...args, '--yes', '--json'])).stdout) as Given
const accepted = (name: string) => fleet.lines(name, 'order accepted').map(({ order, id }) => ({ order, id }))

beforeAll(async () => {
  fleet = await Fleet.begin(names)
  const first = await fleet.release('first', {
    'site.steps': 'MKDIR /etc\nCOPY files/x /etc/x\n',
    'files/x': '1\n',
  })
  await fleet.converged(first, ...names)
})
afterAll(() => fleet?.close())

test('a halt from a laptop holds a host that comes later; resume lets it go on', async () => {
  await fleet.stop('h3')
  const second = await fleet.release('second', { 'files/x': '2\n' })
  await fleet.converged(second, 'h1', 'h2')
  const halt = await give('halt', '-m', 'customers see errors')
  expect(halt).toMatchObject({ order: 'halt', release: { sequence: second }, held: 2 })
  // The laptop has left: h3 can have it from h1 and h2 alone.
  await fleet.start('h3')
  const held = await until('h3 to be held', async () => {
    const status = await fleet.status('h3')
    return status?.why?.includes('halted by') ? status : undefined
  })
  expect(held.why).toMatch(
    /^newest release held: halted by \S+ at \d{4}-\S+Z: customers see errors; fleet resume lets it go on$/,
  )
  expect(held.head!.sequence).toBe(second)
  expect(fleet.cat('h3', 'etc/x')).toBe('1\n')
  // What is in force is kept meanwhile.
  writeFileSync(fleet.at('h3', 'etc/x'), 'by hand\n')
  await until('the repair', async () => (fleet.cat('h3', 'etc/x') === '1\n' ? true : undefined))

  // An agent that starts again knows it still.
  await fleet.kill('h3')
  await fleet.start('h3')
  await until(
    'h3 to be held again',
    async () => (await fleet.status('h3'))?.why?.includes('halted by') || undefined,
  )

  const resume = await fleet.run(['resume', '--yes'])
  expect(resume.stderr).toMatch(/clears the halt by \S+ at \S+Z: customers see errors/)
  expect(resume.stdout).toContain(`release ${second} goes on; 3 hosts hold the order, and pass it on`)
  await fleet.converged(second, 'h3')
  expect(await fleet.fails(1, 'resume', '--yes')).toContain(`release ${second} is not halted by any order`)
})

test('a host that failed stays so until retry names it; then it says which attempt it is', async () => {
  const good = join(fleet.stage.folder, 'good')
  const steps = `MKDIR /etc\nCOPY files/x /etc/x\nWHEN host.name=h2\n  RUN "test -e ${good}"\nEND\n`
  const third = await fleet.release('third', { 'site.steps': steps, 'files/x': '3\n' })
  await fleet.converged(third, 'h1', 'h3')
  // A laptop takes it from whichever host it reaches.
  await until('all to know that h2 failed', async () => {
    const told = await Promise.all(names.map(name => fleet.peers(name)))
    const isTold = told.every(hosts => hosts?.some(each => each.name === 'h2' && each.state === 'FAILED'))
    return isTold || undefined
  })
  expect(fleet.cat('h2', 'etc/x')).toBe('2\n')
  writeFileSync(good, '')
  const ran = await fleet.run(['retry', 'h2', '--yes'])
  expect(ran.stderr).toMatch(/h2 \(FAILED: .*\) may begin attempt 2/)
  await fleet.converged(third, 'h2')
  expect(fleet.cat('h2', 'etc/x')).toBe('3\n')
  await until('all to hold it', async () =>
    names.every(name => accepted(name).some(each => each.order === 'retry')) ? true : undefined,
  )
})

test('promote and fresh are handed over; what is no order is refused', async () => {
  expect(await give('promote')).toMatchObject({ order: 'promote', stage: 1, held: 3 })
  expect(await fleet.fails(2, 'promote', '9', '--yes')).toContain('has 1 stage (3 hosts); found 9')
  expect(await fleet.fails(2, 'retry', 'h9', '--yes')).toContain('h9 is not on the roster')
  expect(await fleet.fails(2, 'fresh', '--until', '2020-01-01', '--yes')).toContain('expected a time after')
  const fresh = await give('fresh', '--until', '2099-01-01')
  await until('h1 to hold it', async () =>
    accepted('h1').some(each => each.id === fresh.ids[0]) ? true : undefined,
  )
  // Nobody sits at a test: without --yes nothing is done.
  expect(await fleet.fails(2, 'halt')).toContain('there is nobody to ask; nothing was done')
})

test('one operator clears what another one halted; a key of the role fresh extends, and no more', async () => {
  const key = join(fleet.stage.folder, 'bob.key')
  const clock = join(fleet.stage.folder, 'clock.key')
  const lineOf = async (name: string, role: string, file: string) => {
    const made = await fleet.run(['key', 'new', '--out', file, '--json'], { cwd: fleet.stage.folder })
    const [type, base64] = (JSON.parse(made.stdout) as { public: string }).public.split(' ')
    return `${name} namespaces="${role}" ${type} ${base64}\n`
  }
  const lines = [await lineOf('bob', 'fleet', key), await lineOf('clock', 'fleet-fresh', clock)]
  fleet.write('trust/operators', fleet.read('trust/operators') + lines.join(''))
  fleet.commit('Bob may give orders, and publish nothing')
  await fleet.publish('bob', 3)
  const bob = ['--key', key]
  const halt = await fleet.run(['halt', '-m', 'by bob', '--yes', ...bob])
  expect(halt.stdout).toMatch(/^halted release \d+; 3 hosts hold the order, and pass it on\n/)
  expect((await fleet.run(['resume', '--yes'])).stderr).toContain('clears the halt by bob at')
  expect(await fleet.fails(1, 'resume', '--yes', ...bob)).toContain('is not halted by any order')

  // A key that can do nothing else speaks through the agent of its machine.
  const through = ['--agent', '--state', fleet.host('h1').state, '--yes']
  const fresh = ['fresh', '--until', '2099-02-01', ...through, '--key']
  expect((await fleet.run([...fresh, clock])).stdout).toContain(
    'the agent here holds the order, and passes it on',
  )
  await until('h2 to hold it', async () =>
    fleet.lines('h2', 'order accepted').some(each => each['signer'] === 'clock') ? true : undefined,
  )
  expect(await fleet.fails(1, 'halt', '--yes', '--key', clock)).toContain('none of your keys may sign')
  await fleet.run(['key', 'new', '--out', `${clock}.other`], { cwd: fleet.stage.folder })
  // Another time: the very same order, given within a second, is held already, whoever gives it again.
  const other = ['fresh', '--until', '2099-03-01', ...through, '--key', `${clock}.other`]
  expect(await fleet.fails(1, ...other)).toContain('may not sign in namespace fleet')
})
