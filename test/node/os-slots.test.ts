// The real launcher with small scripts in the slots: which slot runs, and what the file says afterwards.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loadSlots, saveSlots } from '../../node/os-slots.ts'
import { isOlder, lacking, peersWanted, readSlots, type Slots, writeSlots } from '../../node/slots.ts'

const launcher = fileURLToPath(new URL('../../packaging/launcher.sh', import.meta.url))
let home: string
const started: ChildProcess[] = []

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'fleet-slots-'))
  mkdirSync(join(home, 'bin'))
  copyFileSync(launcher, join(home, 'bin/fleet'))
  chmodSync(join(home, 'bin/fleet'), 0o755)
  stub('a', stay)
})
afterEach(() => {
  // Each launcher leads a process group of its own: what it started goes with it.
  for (const { pid, exitCode } of started.splice(0)) if (pid && exitCode === null) kill(pid)
  rmSync(home, { recursive: true })
})

/** A power cut, for all that a launcher has started. */
function kill(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It has ended.
  }
}

const stay = 'trap "exit 0" TERM; while :; do sleep 0.1; done'
const prove = `printf %s "$FLEET_TRIAL" >"$FLEET_SLOTS/proof"; ${stay}`

function stub(slot: string, script: string): void {
  mkdirSync(join(home, slot, 'bin'), { recursive: true })
  writeFileSync(
    join(home, slot, 'bin/fleet'),
    `#!/bin/sh\nprintf '%s ' "$FLEET_SLOT" >>'${home}/ran'\n${script}\n`,
  )
  chmodSync(join(home, slot, 'bin/fleet'), 0o755)
}
const trial = { slot: 'b', id: 'x1', tries: 0, seconds: 60, peers: 0, version: '2.0.0' } as const
const ran = () => (existsSync(join(home, 'ran')) ? readFileSync(join(home, 'ran'), 'utf8').trim() : '')
function launch(...args: string[]) {
  const child = spawn(join(home, 'bin/fleet'), args.length ? args : ['agent'], {
    stdio: 'ignore',
    detached: true,
  })
  started.push(child)
  return {
    child,
    ended: new Promise(resolve => child.on('close', (code, signal) => resolve(code ?? signal))),
  }
}
const until = (check: () => void) => vi.waitFor(check, { timeout: 10_000, interval: 20 })
const slots = () => loadSlots(home)

test('the current slot runs, its exit code is handed on, and a signal too', async () => {
  saveSlots(home, { current: 'b' })
  stub('b', 'exit 7')
  expect(await launch().ended).toBe(7)
  stub('b', 'trap "exit 3" TERM; while :; do sleep 0.1; done')
  const { child, ended } = launch()
  await until(() => expect(ran()).toBe('b b'))
  child.kill('SIGTERM')
  expect(await ended).toBe(3)
  stub('b', 'exit 8')
  saveSlots(home, { current: 'b', trial: { ...trial, slot: 'a' } })
  expect(await launch('agent', 'slots').ended).toBe(8)
})

test.each<[string, string, Slots['fell'] | undefined]>([
  ['that proves itself stays', prove, undefined],
  ['that ends at once goes', 'exit 1', '2.0.0 in slot b: ended with 1 before it proved itself'],
  ['that hangs goes', stay, '2.0.0 in slot b: no proof of life within 1 s'],
  [
    'with an old proof goes',
    `printf x0 >"$FLEET_SLOTS/proof"; exit 0`,
    '2.0.0 in slot b: ended with 0 before it proved itself',
  ],
  ['that is not there goes', '', '2.0.0 in slot b: ended with 127 before it proved itself'],
])('one on trial %s', async (_, script, fell) => {
  saveSlots(home, { current: 'a', trial: { ...trial, seconds: 1 } })
  if (script !== '') stub('b', script)
  launch()
  const expected = fell === undefined ? { current: 'b' } : { current: 'a', fell }
  await until(() => expect([slots(), ran().split(' ').at(-1)]).toEqual([expected, expected.current]))
})

test('power cuts in the middle of a trial: counted, and after two starts the old one returns', async () => {
  saveSlots(home, { current: 'a', trial })
  stub('b', stay)
  for (const tries of [1, 2]) {
    const { child, ended } = launch()
    const runs = Array(tries).fill('b').join(' ')
    await until(() => expect([slots()?.trial?.tries, ran()]).toEqual([tries, runs]))
    kill(child.pid!)
    await ended
  }
  launch()
  await until(() => expect(ran()).toBe('b b a'))
  expect(slots()).toEqual({ current: 'a', fell: '2.0.0 in slot b: no proof of life in 2 starts' })
})

test('a power cut between the proof and its record: the new one stays', async () => {
  saveSlots(home, { current: 'a', trial: { ...trial, tries: 2 } })
  writeFileSync(join(home, 'proof'), 'x1')
  stub('b', stay)
  launch()
  await until(() => expect(ran()).toBe('b'))
  expect(slots()).toEqual({ current: 'b' })
})

test('an agent that hands over is followed by the one on trial, without an end of the launcher', async () => {
  saveSlots(home, { current: 'a' })
  stub('a', `while [ ! -f '${home}/go' ]; do sleep 0.1; done; exit 75`)
  stub('b', prove)
  launch()
  await until(() => expect(ran()).toBe('a'))
  saveSlots(home, { current: 'a', trial })
  writeFileSync(join(home, 'go'), '')
  await until(() => expect([ran(), slots()]).toEqual(['a b', { current: 'b' }]))
})

test.each(['', 'current=c\n', 'trial=b\nid=x\n', '\0\0\0\0', 'current=b\ntries=;reboot\n'])(
  'a damaged file %j: something runs',
  async text => {
    writeFileSync(join(home, 'slots'), text)
    launch()
    await until(() => expect(['a', 'b a']).toContain(ran()))
  },
)

test('the file says what it was told', () => {
  const word = fc.string({ unit: fc.constantFrom(...'a=b c$`"\\\n;é'), maxLength: 20 })
  const doc = fc.record({
    slot: fc.constant('b' as const),
    id: word,
    tries: fc.nat(9),
    seconds: fc.nat(999),
    peers: fc.nat(9),
    version: word,
  })
  fc.assert(
    fc.property(doc, fc.option(word, { nil: undefined }), (trial, fell) => {
      const flat = (text: string) => text.replaceAll('\n', ' ')
      const said = { ...trial, id: flat(trial.id), version: flat(trial.version) }
      const whole: Slots = { current: 'a', trial, ...(fell !== undefined && { fell }) }
      expect(readSlots(writeSlots(whole))).toEqual({
        current: 'a',
        trial: said,
        ...(fell !== undefined && { fell: flat(fell) }),
      })
    }),
  )
})

test('what a new agent lacks', () => {
  expect([0, 1, 2, 5].map(peersWanted)).toEqual([0, 1, 1, 3])
  const wants = { peers: 2 }
  expect(lacking({ planned: undefined, heard: 9 }, wants)).toBe('a plan of what is in force')
  expect(lacking({ planned: false, heard: 9 }, wants)).toBe('a plan of what is in force that succeeds')
  expect(lacking({ planned: true, heard: 1 }, wants)).toBe('1 of 2 hosts to be heard')
  expect(lacking({ planned: true, heard: 2 }, wants)).toBe(undefined)
  expect([
    isOlder('1.9.0', '1.10.0'),
    isOlder('1.0.0', '1.0.0-x'),
    isOlder('2.0.0', '1.9.9'),
    isOlder('x', '1.0.0'),
  ]).toEqual([true, false, false, undefined])
})
