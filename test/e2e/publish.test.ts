// What an operator sees before a release is signed, what is signed then, and that a no is a no.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Outline } from '../../cli/outline.ts'
import { Fleet, git, until } from './fleet.ts'

let fleet: Fleet
const names = ['h1', 'h2', 'h3'] as const

beforeAll(async () => {
  fleet = await Fleet.begin(names)
  const roster = fleet.read('trust/hosts').replace(/^(h2 .*)$/m, '$1 rollout=canary role=web')
  fleet.write('trust/hosts', roster)
  settle('1s')
  fleet.write('site.steps', 'TEMPLATE files/motd.tmpl /etc/motd\n')
  fleet.commit('First')
})
afterAll(() => fleet?.close())

/** The soak of the releases that follow. */
const settle = (soak: string) => fleet.write('fleet.toml', `name = "three"\n[rollout]\nsoak = "${soak}"\n`)

/** `fleet publish` on a terminal of its own; answers what stood there, and how it ended. */
async function typed(answer: string, ...args: string[]): Promise<{ exit: number; screen: string }> {
  const { stage } = fleet
  const command = ['fleet', 'publish', ...args].join(' ')
  const bin = join(import.meta.dirname, '../../bin')
  const home = join(stage.folder, 'home')
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    cwd: stage.operator,
    env: {
      ...process.env,
      PATH: `${bin}:${process.env['PATH']}`,
      HOME: home,
      XDG_CONFIG_HOME: join(home, '.config'),
      NO_COLOR: '1',
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let screen = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const asked = screen.includes('[y/N]')
    screen += text
    if (!asked && screen.includes('[y/N]')) child.stdin.write(answer)
  })
  const exit = await new Promise<number>(resolve => child.on('close', code => resolve(code ?? -1)))
  return { exit, screen: screen.replaceAll('\r', '') }
}

interface Staged {
  readonly release: (Outline & { readonly id: string }) | null
}
async function staged(...args: string[]): Promise<NonNullable<Staged['release']>> {
  const { stdout } = await fleet.run(['publish', '--json', '--peers', '3', ...args])
  const { release } = JSON.parse(stdout) as Staged
  if (release === null) throw new Error('nothing was published')
  return release
}

/** The trailers of an entry as a host holds them. */
const trailers = (sequence: number) =>
  Object.fromEntries(
    git(join(fleet.host('h2').state, 'repo.git'), 'cat-file', 'tag', `fleet/${sequence}`)
      .split('\n')
      .flatMap(line => {
        const [, name, value] = /^(Stages|Stable|Seed|Soak|Risk): (.*)$/.exec(line) ?? []
        return name === undefined ? [] : [[name, value]]
      }),
  )

test.each([
  ['n', 'n\r'],
  ['nothing at all', '\r'],
  ['Ctrl-C', '\u0003'],
  ['Ctrl-D', '\u0004'],
])('%s is a no: nothing of the release is signed', async (_, answer) => {
  const { exit, screen } = await typed(answer, '-m', 'first')
  expect(exit).toBe(1)
  expect(screen).toContain(
    [
      'release 3: first',
      'all of it counts as new to 3 hosts',
      'no release was seen complete yet',
      '',
      'stage  hosts  share   first of them',
      '1      1      33.3 %  h2 (canary)',
    ].join('\n'),
  )
  expect(screen).toContain('done in 3 s at the earliest: 3 steps, each 1 s of soak and its run\n')
  expect(screen).toContain('Sign and publish release 3? [y/N]')
  expect(screen).toMatch(
    /\nfleet: (the release was not signed; trust is published as entry 2|nothing was signed, nothing was published)\n$/,
  )
  await until('trust to be there', async () =>
    (await fleet.status('h1'))?.head?.sequence === 2 ? true : undefined,
  )
})

test('a yes signs the stages that were shown', async () => {
  const { exit, screen } = await typed('y\r', '-m', 'first', '--peers', '3')
  expect(screen).toMatch(/\npublished release 3 for 3 hosts in 3 stages; 3 hosts hold it, and pass it on\n/)
  expect(exit).toBe(0)
  expect(trailers(3)).toEqual({ Stages: '1 2 3', Soak: '1', Risk: '500' })
  await fleet.converged(3, ...names)
})

test('a laptop works out for itself how the stages fare', async () => {
  await until('all to be well with release 3', async () => {
    const peers = await fleet.peers('h1')
    return peers?.every(each => each.release === 3 && each.state === 'HEALTHY') ? true : undefined
  })
  const { stdout } = await fleet.run(['rollout', '--json'])
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ sequence: 3, decision: { kind: 'go' } },
    stages: [1, 2, 3].map(stage => ({ stage, hosts: 1, granted: 1, healthy: 1, failed: 0 })),
  })
})

test('what all hosts are well with is Stable; the next one counts only those that it changes', async () => {
  await until('all to be well with release 3', async () => {
    const peers = await fleet.peers('h1')
    return peers?.every(each => each.release === 3 && each.state === 'HEALTHY') ? true : undefined
  })
  settle('1h')
  fleet.write(
    'site.steps',
    'TEMPLATE files/motd.tmpl /etc/motd\nWHEN label.role=web\n  MKDIR /etc/web\nEND\n',
  )
  fleet.commit('For web hosts')
  const release = await staged('-m', 'for web hosts')
  expect(release).toMatchObject({ sequence: 4, stable: 3, seed: null, affected: 1, hosts: 3 })
  expect(release.stages.map(each => [each.hosts, each.names])).toEqual([[1, ['h2']]])
  expect(release.follow.toSorted()).toEqual(['h1', 'h3'])
  const [third] = (await fleet.log('h1'))!.filter(each => each.sequence === 3)
  expect(trailers(4)).toEqual({ Stages: '1', Stable: third!.id, Soak: '3600', Risk: '500' })
})

test('one that follows an unfinished one keeps its order, and what that was compared with', async () => {
  fleet.write('files/motd.tmpl', 'another\n')
  fleet.write('site.steps', `${fleet.read('site.steps')}RUN "true" id=migrate\n`)
  fleet.commit('For all')
  const ran = await fleet.run(['publish', '-m', 'for all', '--peers', '3', '--yes'])
  expect(ran.stderr).toContain(
    [
      'release 5: for all',
      'changes 3 of 3 hosts',
      'compared with release 3, the last one seen complete',
      'goes on in the order of release 4, which is not complete',
    ].join('\n'),
  )
  expect(ran.stderr).toContain(
    'one-way: RUN migrate (site.steps:5) runs on 3 hosts, and cannot be taken back\n',
  )
  const ids = new Map((await fleet.log('h1'))!.map(each => [each.sequence, each.id]))
  expect(trailers(5)).toEqual({
    Stages: '1 2 3',
    Stable: ids.get(3),
    Seed: ids.get(4),
    Soak: '3600',
    Risk: '500',
  })
})

test('--now is one stage for all, whatever the risk', async () => {
  fleet.write('files/motd.tmpl', 'at once\n')
  fleet.commit('At once')
  expect((await staged('-m', 'at once', '--now')).stages).toMatchObject([{ hosts: 3, parts: 1 }])
  expect(trailers(6)).toMatchObject({ Stages: '3', Risk: '10000' })
})

test('a rollback goes in stages too, but for hosts that were well with what it brings back', async () => {
  const { stderr } = await fleet.run(['rollback', '3', '--peers', '3', '--yes'])
  expect(stderr).toMatch(/^release 7: rollback to release 3\n/m)
  expect(stderr).toContain('hosts that were well with release 3, which holds the same, take it at once\n')
  await fleet.converged(7, ...names)
})

test('stages that do not fit are refused, and say what would', async () => {
  fleet.write('fleet.toml', 'name = "three"\n[rollout]\nstages = [1, "50%"]\n')
  fleet.commit('Stages that end at half')
  expect(await fleet.fails(2, 'publish', '-m', 'half')).toContain(
    'its stages would not do: the last stage takes 2 of 3 hosts; end with 100%\n  stages = and risk = in [rollout] of fleet.toml; or all hosts at once: --now\n',
  )
})
