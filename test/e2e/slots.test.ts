// The upgrade of a real agent: laid out in slots, beside a peer, with bundles that are good, broken, or deaf.
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadSlots, saveSlots } from '../../node/os-slots.ts'
import { Fleet, until } from './fleet.ts'

const repository = fileURLToPath(new URL('../..', import.meta.url))
let fleet: Fleet
let home: string
let launcher: number | undefined

/** A bundle that is this checkout, after what `script` does when an agent is started. */
function bundle(at: string, script: string, version = ''): string {
  mkdirSync(join(at, 'bin'), { recursive: true })
  const said = version && `[ "$1" != --version ] || { echo ${version}; exit; }`
  const text = `#!/bin/sh\n${said}\nif [ "$1" = agent ]; then\n:; ${script}\nfi\nexec '${repository}bin/fleet' "$@"\n`
  writeFileSync(join(at, 'bin/fleet'), text)
  chmodSync(join(at, 'bin/fleet'), 0o755)
  return at
}
const log = () => join(fleet.stage.folder, 'one.log')

/** As systemd does: the unit's process with everything it starts. */
async function launch(): Promise<void> {
  const out = openSync(log(), 'a')
  const args = ['agent', '--state', fleet.host('one').state]
  const child = spawn(join(home, 'bin/fleet'), args, { stdio: ['ignore', out, out], detached: true })
  launcher = child.pid
  await until('one to listen', () => fleet.status('one'))
}
function cut(): void {
  if (launcher !== undefined) process.kill(-launcher, 'SIGKILL')
  launcher = undefined
}

beforeAll(async () => {
  fleet = await Fleet.begin(['one', 'two'])
  home = join(fleet.stage.folder, 'opt')
  mkdirSync(join(home, 'bin'), { recursive: true })
  copyFileSync(join(repository, 'packaging/launcher.sh'), join(home, 'bin/fleet'))
  chmodSync(join(home, 'bin/fleet'), 0o755)
  bundle(join(home, 'a'), '')
  await fleet.release('first', { 'site.steps': 'MKDIR /etc\nCOPY files/x /etc/x\n', 'files/x': 'x\n' })
  await fleet.converged(3, 'one', 'two')
  await fleet.stop('one')
})
afterAll(async () => {
  cut()
  await fleet?.close()
})

const command = (exit: number, ...args: string[]) =>
  fleet
    .run(['agent', ...args, '--prefix', home, '--state', fleet.host('one').state], { exits: [exit] })
    .then(ran => ran.stdout + ran.stderr)
const make = (name: string, script: string, version?: string) =>
  bundle(join(fleet.stage.folder, name, 'fleet'), script, version)
const connected = () =>
  until('the two to be connected', async () => ((await fleet.status('one'))?.peers === 1 ? true : undefined))

test('without slots, and without a bundle, nothing happens', async () => {
  expect(await command(1, 'upgrade', 'x')).toContain('has no slots')
  saveSlots(home, { current: 'a' })
  expect(await command(1, 'upgrade', `${repository}docs`)).toMatch(
    /no bundle of fleet that runs here.*missing bin\/fleet/,
  )
  expect(await command(1, 'upgrade', make('dumb', '', 'hello'))).toContain(
    "found 'hello', expected a version",
  )
  expect(await command(1, 'upgrade', make('old', '', '0.0.9'))).toContain('0.0.9 is older than 0.1.0')
  expect(await command(0, 'upgrade', make('next', ''))).toContain('is tried when the agent is started')
  expect(await command(1, 'upgrade', make('next', ''))).toContain('0.1.0 is on trial in slot b')
  saveSlots(home, { current: 'a' })
})

test('a good one takes over: from an archive, while what is in force stays', async () => {
  await launch()
  await connected()
  const archive = join(fleet.stage.folder, 'good.tar.gz')
  execFileSync('tar', ['-czf', archive, '-C', dirname(make('good', '')), 'fleet'])
  expect(await command(0, 'upgrade', archive, '--wait')).toContain(
    '0.1.0 has proved itself: slot b is current',
  )
  expect(await command(0, 'slots')).toBe('a  0.1.0\nb  0.1.0  current\n')
  expect(await fleet.status('one')).toMatchObject({ release: { sequence: 3 }, upgrade: null })
})

test('one that ends at once is taken back, and everybody is told', async () => {
  await connected()
  expect(await command(1, 'upgrade', make('broken', 'exit 9'), '--wait')).toContain(
    'taken back: 0.1.0 in slot a: ended with 9',
  )
  await until('the old agent', () => fleet.status('one'))
  expect((await fleet.status('one'))!.upgrade).toContain('ended with 9 before it proved itself')
  expect(readFileSync(log(), 'utf8')).toContain('an upgrade of the agent was taken back')
})

test('one that hears nobody is taken back', async () => {
  await connected()
  const waiting = make('deaf', `while [ ! -f '${home}/go' ]; do sleep 0.1; done`)
  expect(await command(0, 'upgrade', waiting, '--deadline', '5')).toContain('to hear 1 of 1 hosts')
  await fleet.kill('two')
  writeFileSync(join(home, 'go'), '')
  await until('it to be taken back', () => loadSlots(home)?.fell?.includes('within 5 s') || undefined, 30_000)
  expect(readFileSync(log(), 'utf8')).toContain('1 of 1 hosts to be heard')
  await until('the old agent', () => fleet.status('one'))
  expect(loadSlots(home)?.current).toBe('b')
})

test('a release that kills the agent is FAILED after two deaths, and not begun again', async () => {
  await fleet.start('two')
  await connected()
  const steps =
    'MKDIR /etc\nCOPY files/x /etc/x\nWHEN host.name=two\n  RUN "kill -9 $PPID; sleep 60" shell\nEND\n'
  const sequence = await fleet.release('deadly', { 'site.steps': steps, 'files/x': 'y\n' })
  // Whoever keeps the agent running starts it again; it may die before it has answered anybody.
  const dead = () => {
    try {
      process.kill(fleet.stage.pid('two')!, 0)
      return undefined
    } catch {
      return true
    }
  }
  for (let deaths = 0; deaths < 2; deaths++) {
    await until('the agent to die', dead)
    fleet.stage.start(fleet.host('two'))
  }
  const status = await until('the verdict', async () => {
    const now = await fleet.status('two')
    return now?.state === 'FAILED' ? now : undefined
  })
  expect(status.why).toContain('the agent ended 2 times in the middle of this run')
  expect([status.head?.sequence, status.release?.sequence, fleet.cat('two', 'etc/x')]).toEqual([
    sequence,
    3,
    'x\n',
  ])
})
