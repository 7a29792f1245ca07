// Trials and a host's own plan, with real agents on loopback: one host runs a branch and no other does, by time and by order it is
// back, also when its agent died in between; a plan is the host's, and changes nothing.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, until } from './fleet.ts'

let fleet: Fleet
let sequence = 0

interface GivenTrial {
  readonly order: string
  readonly ids: readonly string[]
  readonly trial: { readonly commit: string; readonly hosts: readonly { name: string; state: string }[] }
}
const states = (json: string) =>
  (JSON.parse(json) as GivenTrial).trial.hosts.map(({ name, state }) => `${name} ${state}`)
const flagsOf = async (name: string, of: string) =>
  (await fleet.peers(name))?.find(each => each.name === of)?.flags.join(' ')
const back = (name: string) =>
  until(`${name} to be back`, async () => {
    const status = await fleet.status(name)
    return status?.trial === null && fleet.cat(name, 'etc/x') === '1\n' ? status : undefined
  })

beforeAll(async () => {
  fleet = await Fleet.begin(['h1', 'h2'])
  sequence = await fleet.release('first', {
    'site.steps': 'MKDIR /etc\nCOPY files/x /etc/x\n',
    'files/x': '1\n',
  })
  await fleet.converged(sequence, 'h1', 'h2')
  fleet.git('checkout', '-q', '-b', 'try')
  fleet.write('files/x', 'tried\n')
  fleet.write('site.steps', 'MKDIR /etc\nCOPY files/x /etc/x\nCOPY files/x /etc/y mode=0600\n')
  fleet.commit('Try something')
  fleet.git('checkout', '-q', 'main')
})
afterAll(() => fleet?.close())

test('a host tells an operator its own plan, and nothing changes there', async () => {
  const ran = await fleet.run(['plan', '--on', 'h1', 'try'], { exits: [4] })
  expect(ran.stdout).toMatch(/changed +exact +COPY \/etc\/x +site\.steps:2/)
  expect(ran.stdout).toMatch(/new +exact +COPY \/etc\/y +site\.steps:3/)
  expect(ran.stdout).toContain('2 steps to change')
  expect((await fleet.run(['plan', '--on', 'h1', 'HEAD'])).stdout).toContain('nothing to do')
  // The files as they are now, and what only that host can know: something is in the way there.
  fleet.write('files/x', 'not committed\n')
  const acts = await fleet.run(['plan', '--on', 'h2', '--acts', '--json'], { exits: [4] })
  expect(JSON.parse(acts.stdout)).toMatchObject({
    host: 'h2',
    changes: [{ step: 'COPY /etc/x', change: 'changed' }],
    acts: [['exact', expect.stringContaining('write /etc/x')]],
    impossible: [],
  })
  fleet.git('checkout', '-q', '.')
  expect([fleet.cat('h1', 'etc/x'), fleet.cat('h1', 'etc/y')]).toEqual(['1\n', undefined])
  expect(fleet.lines('h1', 'order accepted')).toEqual([])
  expect(await fleet.fails(2, 'plan', '--on', 'h9')).toContain("there is no host 'h9' on the roster")
  expect(await fleet.fails(2, 'plan', '--on', 'h1', '--diff')).toContain('--on and --diff exclude each other')
})

test('a trial changes one host, is kept there like a release, and ends by an order', async () => {
  const give = ['trial', '--on', 'h2', 'try', '--until', '1h', '--yes']
  const ran = await fleet.run([...give, '--json'])
  expect(states(ran.stdout)).toEqual(['h2 running'])
  expect([fleet.cat('h2', 'etc/x'), fleet.cat('h2', 'etc/y')]).toEqual(['tried\n', 'tried\n'])
  expect([fleet.cat('h1', 'etc/x'), fleet.cat('h1', 'etc/y')]).toEqual(['1\n', undefined])
  const status = await fleet.status('h2')
  expect(status).toMatchObject({ release: { sequence }, trial: { state: 'running' } })
  await until('h1 to know', async () => ((await flagsOf('h1', 'h2')) === 'TRIAL' ? true : undefined))

  // It survives the agent, which goes on repairing what the trial declares.
  await fleet.kill('h2')
  writeFileSync(fleet.at('h2', 'etc/y'), 'by hand\n')
  await fleet.start('h2')
  await until('the repair', async () => (fleet.cat('h2', 'etc/y') === 'tried\n' ? true : undefined))
  expect(await fleet.status('h2')).toMatchObject({ release: { sequence }, trial: { state: 'running' } })

  const listed = await fleet.run(['trial'])
  expect(listed.stdout).toMatch(/h2 +running/)
  const ended = await fleet.run(['trial', 'end', '--yes'])
  expect(ended.stdout).toContain('h2: back')
  await back('h2')
  expect(fleet.cat('h2', 'etc/y')).toBeUndefined()
  expect((await fleet.run(['trial'])).stdout).toContain('no trial goes on')
  expect(await fleet.fails(1, 'trial', 'end', '--yes')).toContain('no trial goes on anywhere')
})

test('a trial ends by its time, also when the agent is away then', async () => {
  const give = ['trial', '--on', 'h1,h2', 'try', '--until', '30s', '--yes', '--json']
  expect(states((await fleet.run(give)).stdout)).toEqual(['h1 running', 'h2 running'])
  await fleet.stop('h2')
  await back('h1')
  expect(fleet.cat('h2', 'etc/x')).toBe('tried\n')
  await fleet.start('h2')
  await back('h2')
  await fleet.converged(sequence, 'h1', 'h2')
})

test('a trial that fails is undone, and says so to who gave it', async () => {
  fleet.git('checkout', '-q', '-b', 'bad')
  const absent = join(fleet.stage.folder, 'absent')
  fleet.write('site.steps', `MKDIR /etc\nCOPY files/x /etc/x\nRUN "test -e ${absent}"\n`)
  fleet.write('files/x', 'bad\n')
  fleet.commit('Fail')
  fleet.git('checkout', '-q', 'main')
  const ran = await fleet.run(['trial', '--on', 'h1', 'bad', '--until', '1h', '--yes'], { exits: [1] })
  expect(ran.stdout).toMatch(/h1: failed: trial [0-9a-f]{10} failed: RUN/)
  expect(fleet.cat('h1', 'etc/x')).toBe('1\n')
  expect(await fleet.status('h1')).toMatchObject({ trial: { state: 'failed' }, flags: ['TRIAL_FAILED'] })
  // The release has not failed.
  expect(['APPLIED', 'HEALTHY']).toContain((await fleet.status('h1'))?.state)
  await fleet.run(['trial', 'end', '--on', 'h1', '--yes'])
  await until('the end', async () => ((await fleet.status('h1'))?.trial === null ? true : undefined))
})

test('a newer release waits for the end of a trial, and says so', async () => {
  await fleet.run(['trial', '--on', 'h2', 'try', '--until', '1h', '--yes'])
  const next = await fleet.release('second', { 'files/x': '2\n' })
  await fleet.converged(next, 'h1')
  await until(
    'h2 to say that it waits',
    async () =>
      (await fleet.status('h2'))?.why?.startsWith('newest release held: a trial runs here until') ||
      undefined,
  )
  await fleet.run(['trial', 'end', '--on', 'h2', '--yes'])
  await fleet.converged(next, 'h2')
  expect(fleet.cat('h2', 'etc/y')).toBeUndefined()
})
