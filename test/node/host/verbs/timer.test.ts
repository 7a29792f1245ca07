import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Act, isReason, type Look } from '../../../../node/host/act.ts'
import { sha256 } from '../../../../node/host/digest.ts'
import type { States } from '../../../../node/host/resource.ts'
import type { Step } from '../../../../node/host/steps/step.ts'
import { planTimer, quoteExec, timer, unitFiles } from '../../../../node/host/verbs/timer.ts'

const step = (args: string[], options: Record<string, string>): Step => ({
  id: `TIMER ${args[0]}`,
  verb: 'TIMER',
  args,
  options,
  origin: { file: 'site.steps', line: 1, column: 1 },
})
const backup = step(['backup', 'tar cf "/a b"'], { calendar: 'daily', persistent: '', user: 'www-data' })

test('two unit files', () => {
  expect(unitFiles(backup).service).toBe(`# Made by fleet, which takes back what is changed here.
[Unit]
Description=backup, on a timer of fleet

[Service]
Type=oneshot
ExecStart="tar" "cf" "/a b"
User=www-data
TimeoutStartSec=3600000ms
`)
  expect(unitFiles(backup).timer).toContain('[Timer]\nOnCalendar=daily\nPersistent=true\nAccuracySec=1s\n')
  expect(unitFiles(step(['x', 'a'], { every: '5m' })).timer).toContain(
    'OnActiveSec=300000ms\nOnUnitActiveSec=300000ms\n',
  )
  expect(unitFiles(step(['x', 'a'], { boot: '30s' })).timer).toContain('OnBootSec=30000ms\n')
  expect(unitFiles(step(['x', 'a | b'], { every: '1h', shell: '' })).service).toContain(
    'ExecStart="/bin/sh" "-c" "a | b"\n',
  )
})

describe('plans', () => {
  const texts = unitFiles(backup)
  const look = (state: States['unit'] | null | undefined, there: readonly ('service' | 'timer')[]) => {
    const content = (path: string) =>
      there
        .map(type => [`/etc/systemd/system/fleet-backup.${type}`, texts[type]])
        .find(([at]) => at === path)?.[1]
    return {
      privileged: true,
      state: () => state,
      userId: () => 0,
      groupId: () => 0,
      stat: (path: string) =>
        content(path) === undefined
          ? undefined
          : { kind: 'file', size: content(path)!.length, mode: 0o644, uid: 0, gid: 0 },
      digest: (path: string) => sha256(new TextEncoder().encode(content(path))),
    } as unknown as Look
  }
  const shape = (act: Act) => (act.kind === 'set' ? act.to : `${act.kind} ${(act as { path: string }).path}`)
  const on = { running: true, enabled: 'enabled' }
  const service = 'put /etc/systemd/system/fleet-backup.service'
  const file = 'put /etc/systemd/system/fleet-backup.timer'
  test.each([
    [null, [], [service, file, on]],
    [on, ['service', 'timer'], []],
    [{ ...on, running: undefined }, ['service', 'timer'], []],
    [on, ['timer'], [service]],
    [{ running: false, enabled: 'enabled' }, ['service', 'timer'], [on]],
    [{ running: true, enabled: 'disabled' }, ['service', 'timer'], [on]],
    [
      { running: undefined, enabled: 'disabled' },
      ['service', 'timer'],
      [{ running: undefined, enabled: 'enabled' }],
    ],
  ] as const)('%j with %j: %j', (state, there, acts) => {
    const answer = planTimer(backup, look(state, there))
    expect(isReason(answer) ? answer : answer.map(shape)).toEqual(acts)
  })
  test('nothing without systemd', () => {
    expect(planTimer(backup, look(undefined, []))).toMatchObject({ code: 'TOOL_MISSING' })
  })
  test('the host reads the calendar before anything is changed', () => {
    const answer = planTimer(backup, look(null, []))
    expect(!isReason(answer) && answer[1]).toMatchObject({
      validate: ['systemd-analyze', 'calendar', 'daily'],
    })
  })
})

test.each<[string[], Record<string, string>, string]>([
  [['A', 'a'], { every: '1h' }, 'a name'],
  [['a', 'a'], {}, 'no time'],
  [['a', 'a'], { every: '1h', boot: '1s' }, 'every=, boot='],
  [['a', 'a'], { calendar: '%H' }, 'calendar event'],
  [['a', 'a'], { calendar: 'daily\nx' }, 'calendar event'],
  [['a', 'a'], { every: '1h', persistent: '' }, 'calendar='],
  [['a', 'a'], { every: '1h', user: 'keep' }, 'a user'],
  [['a', 'a | b'], { every: '1h' }, 'shell'],
  [['a', '-a'], { every: '1h' }, 'the program'],
  [['a', './a'], { every: '1h' }, 'the program'],
  [['a', 'a$b', 'c'], { every: '1h' }, 'the program'],
])('%j %j is refused', (args, options, message) => {
  expect(timer.check?.({ args, options })).toContain(message)
})

const words = fc.array(
  fc
    .string({
      unit: fc.constantFrom(...'ab \t\n"\'\\%$;#{}@:+!|-xnü€', '$$', '%%', '\\x41', '$' + '{A}', '%n'),
    })
    .filter(word => !word.includes('\0')),
  { maxLength: 6 },
)

test('a quoted word is one line and never ends early', () => {
  fc.assert(fc.property(words, each => each.every(word => /^"(?:[^"\\\n]|\\.)*"$/.test(quoteExec(word)))))
})

const seed = Number(process.env['FLEET_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

// A hundred commands as a hundred ExecStart= lines of one service; each appends its arguments to a file.
test.skipIf(!existsSync('/run/systemd/system') || process.getuid?.() !== 0)(
  `systemd reads it back (seed ${seed})`,
  () => {
    const samples = fc.sample(words, { numRuns: 100, seed })
    const folder = mkdtempSync(`${tmpdir()}/fleet-timer-`)
    const unit = '/run/systemd/system/fleet-test-quote.service'
    const script = `${folder}/say.js`
    writeFileSync(
      script,
      `require('fs').appendFileSync('${folder}/said', JSON.stringify(process.argv.slice(2)) + '\\n')`,
    )
    const lines = samples.map(
      each => `ExecStart=${[process.execPath, script, ...each].map(quoteExec).join(' ')}\n`,
    )
    writeFileSync(unit, `[Service]\nType=oneshot\n${lines.join('')}`)
    try {
      execFileSync('systemctl', ['daemon-reload'])
      execFileSync('systemctl', ['start', 'fleet-test-quote.service'])
      const said = execFileSync('cat', [`${folder}/said`], { encoding: 'utf8' })
      expect(
        said
          .trimEnd()
          .split('\n')
          .map(line => JSON.parse(line)),
      ).toEqual(samples)
    } finally {
      rmSync(unit)
      execFileSync('systemctl', ['daemon-reload'])
      rmSync(folder, { recursive: true })
    }
  },
)
