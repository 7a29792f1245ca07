import { describe, expect, test } from 'vitest'
import type { Look } from '../../../../node/host/act.ts'
import type { States } from '../../../../node/host/resource.ts'
import type { Step } from '../../../../node/host/steps/step.ts'
import { planService, service } from '../../../../node/host/verbs/service.ts'

type UnitState = States['unit']

const step = (unit: string, ...flags: string[]): Step => ({
  id: `SERVICE ${unit}`,
  verb: 'SERVICE',
  args: [unit],
  options: Object.fromEntries(flags.map(flag => [flag, ''])),
  origin: { file: 'site.steps', line: 1, column: 1 },
})

/** A machine with one unit; `files`: paths that are there. */
const look = (state: UnitState | null | undefined, files: readonly string[] = []) =>
  ({
    state: () => state,
    stat: (path: string) => (files.includes(path) ? ({} as ReturnType<Look['stat']>) : undefined),
  }) as unknown as Look

const on = { running: true, enabled: 'enabled' }
const off = { running: false, enabled: 'disabled' }
const done = { running: undefined, enabled: 'static' }

describe('what a step does about what is found', () => {
  test.each<[flags: string[], from: UnitState | null, to: UnitState | string | undefined]>([
    [['running', 'enabled'], on, undefined],
    [['running', 'enabled'], off, on],
    [['running'], off, { running: true, enabled: 'disabled' }],
    [['enabled'], off, { running: false, enabled: 'enabled' }],
    [['stopped', 'disabled'], on, off],
    [['stopped', 'masked'], on, { running: false, enabled: 'masked' }],
    [['enabled'], { ...off, enabled: 'masked' }, { running: false, enabled: 'enabled' }],
    [['enabled'], { ...off, enabled: 'enabled-runtime' }, { running: false, enabled: 'enabled' }],
    [['masked'], { ...off, enabled: 'masked-runtime' }, { running: false, enabled: 'masked' }],
    [['disabled'], { ...off, enabled: 'static' }, undefined],
    [['disabled'], { ...off, enabled: 'indirect' }, undefined],
    [['enabled'], { ...off, enabled: 'alias' }, undefined],
    [['enabled'], { ...off, enabled: 'static' }, 'UNIT_STATIC'],
    [['disabled'], { ...off, enabled: 'generated' }, 'UNIT_STATIC'],
    // A oneshot unit that has done its work suits both.
    [['running'], done, undefined],
    [['stopped'], done, undefined],
    // Nothing there: what cannot run does not.
    [['running'], null, 'UNIT_MISSING'],
    [['enabled'], null, 'UNIT_MISSING'],
    [['stopped', 'disabled'], null, undefined],
    [['masked'], null, { running: false, enabled: 'masked' }],
    [['reload-on'], null, undefined],
  ])('%j on %j', (flags, from, to) => {
    const answer = planService(step('x', ...flags), look(from))
    if (typeof to === 'string') expect(answer).toMatchObject({ code: to })
    else expect(answer).toEqual(to ? [{ kind: 'set', id: 'unit:x.service', from, to }] : [])
  })
  test('a unit whose file an earlier step brings is there', () => {
    const set = { kind: 'set', from: null, to: { running: true, enabled: 'disabled' } }
    const files = ['/etc/systemd/system/x.service', '/usr/lib/systemd/system/y@.service']
    expect(planService(step('x', 'running'), look(null, files))).toMatchObject([set])
    expect(planService(step('y@1', 'running'), look(null, files))).toMatchObject([set])
  })
  test('without systemd it cannot be kept', () => {
    expect(planService(step('x', 'running'), look(undefined))).toMatchObject({ code: 'TOOL_MISSING' })
  })
})

test('a unit has one key, however it is written', () => {
  const key = (unit: string) => service.key({ args: [unit], options: {} })
  expect(key('nginx')).toBe(key('nginx.service'))
  expect(key('a.timer')).toBe('a.timer')
  expect(service.resources?.(step('nginx'))).toEqual(['unit:nginx.service'])
})

test.each<[string[], string]>([
  [['running', 'stopped'], 'at most one of running, stopped'],
  [['enabled', 'masked'], 'at most one of enabled'],
  [['running', 'masked'], 'masked unit'],
  [['reload-on', 'restart-on'], 'expected one of them'],
  [['stopped', 'reload-on'], 'a unit that runs'],
  [[], 'nothing said'],
])('%j is refused', (flags, message) => {
  expect(service.check?.(step('x', ...flags))).toContain(message)
})

test('owes a reload or a restart, with daemon-reload where unit files are watched', () => {
  const owes = (options: Record<string, string>) => service.owes?.({ args: ['x'], options })
  expect(owes({ 'reload-on': '/etc/x,/etc/y' })).toMatchObject({
    on: ['/etc/x', '/etc/y'],
    act: { argv: ['systemctl', 'reload-or-restart', 'x.service'] },
  })
  expect(owes({ 'restart-on': '/etc/systemd/system/x.service.d/a.conf' })?.act.argv.join(' ')).toContain(
    'daemon-reload && exec systemctl restart',
  )
  expect(owes({ running: '' })).toBeUndefined()
  const spares = (from: UnitState | null, to: UnitState) =>
    owes({ 'reload-on': '/a' })?.spares?.({ kind: 'set', id: 'unit:x.service', from, to })
  expect([
    spares(off, on),
    spares(null, on),
    spares(on, { ...on, enabled: 'static' }),
    spares(on, off),
  ]).toEqual([true, true, false, false])
})
