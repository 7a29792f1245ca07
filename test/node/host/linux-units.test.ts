// The real provider on real systemd: in a lab host, as root; elsewhere only `systemctl --root` is tried. Units are named
// fleet-test-*, and none is left.
import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { booted, pathOf, signalOf, unitOf } from '../../../node/host/linux-bus.ts'
import { openUnitFiles } from '../../../node/host/linux-unitfiles.ts'
import { openUnits } from '../../../node/host/linux-units.ts'
import type { Change, Provider, ResourceId, States } from '../../../node/host/resource.ts'

type UnitState = States['unit']

const units: Record<string, string> = {
  'simple.service': '[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n',
  'static.service': '[Service]\nExecStart=sleep infinity\n',
  'at@.service': '[Service]\nExecStart=sleep infinity\n[Install]\nWantedBy=multi-user.target\n',
  'once.service': '[Service]\nType=oneshot\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n',
  'fails.service': '[Service]\nExecStart=sh -c "echo the reason; exit 3"\n',
  'hangs.service': '[Service]\nType=notify\nExecStart=sleep infinity\nTimeoutStartSec=1\n',
  'clings.service':
    '[Service]\nExecStart=sh -c "trap : TERM; while :; do sleep 0.1; done"\nTimeoutStopSec=1\n',
  'crashes.service':
    '[Service]\nExecStart=sleep 0.3\nRestart=always\nRestartSec=1h\n[Unit]\nStartLimitIntervalSec=0\n',
}
const name = (short: string) => `fleet-test-${short}`
const id = (short: string): ResourceId => `unit:${name(short)}`
const change = (short: string, from: UnitState | null, to: UnitState | null): Change => ({
  id: id(short),
  from,
  to,
})

describe.skipIf(!booted() || process.getuid?.() !== 0)('units of a machine that runs', () => {
  // A unit whose file lies in /etc cannot be masked: the mask would take its place.
  const folder = '/usr/local/lib/systemd/system'
  const systemctl = (...argv: string[]) =>
    execFileSync('systemctl', argv, { encoding: 'utf8', stdio: 'pipe' })
  let provider: Provider
  const state = async (short: string) => (await provider.observe([name(short)])).get(id(short))
  const make = async (short: string, to: UnitState | null) => {
    const from = (await state(short)) as UnitState | null
    await provider.change([change(short, from, to)])
    return await state(short)
  }

  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
    for (const [short, text] of Object.entries(units)) writeFileSync(`${folder}/${name(short)}`, text)
    provider = openUnits()
  })
  afterAll(() => {
    provider.close()
    for (const short of [...Object.keys(units), 'at@1.service', 'none.service']) {
      try {
        systemctl('unmask', '-q', name(short))
        systemctl('disable', '-q', '--now', name(short))
      } catch {}
      rmSync(`${folder}/${name(short)}`, { force: true })
    }
    systemctl('daemon-reload')
    systemctl('reset-failed')
  })

  const off = { running: false, enabled: 'disabled' }
  const on = { running: true, enabled: 'enabled' }

  test('observes what was never loaded, and what is not there', async () => {
    expect(await state('simple.service')).toEqual(off)
    expect(await state('static.service')).toEqual({ running: false, enabled: 'static' })
    expect(await state('at@1.service')).toEqual(off)
    expect(await state('none.service')).toBeNull()
    expect((await provider.observe([])).size).toBe(0)
  })
  test('starts, enables, stops, disables, masks, and does what is done already', async () => {
    expect(await make('simple.service', on)).toEqual(on)
    await provider.change([change('simple.service', off, on)])
    expect(await make('simple.service', { running: false, enabled: 'masked' })).toEqual({
      running: false,
      enabled: 'masked',
    })
  })
  test('a file of an operator is not masked away', async () => {
    const own = `/etc/systemd/system/${name('own.service')}`
    writeFileSync(own, units['simple.service']!)
    try {
      await expect(make('own.service', { running: false, enabled: 'masked' })).rejects.toThrow(
        /UNIT_FAILED.*exists/,
      )
    } finally {
      rmSync(own)
    }
  })
  test('an instance of a template', async () => {
    expect(await make('at@1.service', on)).toEqual(on)
    expect(await make('at@1.service', null)).toEqual(off)
  })
  test('a oneshot unit has done its work: neither running nor stopped', async () => {
    systemctl('enable', '-q', name('once.service'))
    expect(await make('once.service', on)).toEqual({ running: undefined, enabled: 'enabled' })
  })
  test('a unit that fails says why', async () => {
    const failing = make('fails.service', { running: true, enabled: 'static' })
    await expect(failing).rejects.toMatchObject({
      reason: { code: 'UNIT_FAILED', path: id('fails.service') },
    })
    await expect(failing).rejects.toThrow(/result exit-code(?:.|\n)*the reason/)
    expect(await state('fails.service')).toEqual({ running: false, enabled: 'static' })
  })
  test('a unit that hangs on start ends with its own timeout', async () => {
    await expect(make('hangs.service', { running: true, enabled: 'static' })).rejects.toThrow(
      /UNIT_FAILED(?:.|\n)*timeout/,
    )
  })
  test('a unit that hangs on stop is killed by systemd', async () => {
    await make('clings.service', { running: true, enabled: 'static' })
    expect(await make('clings.service', { running: false, enabled: 'static' })).toMatchObject({
      running: false,
    })
  })
  test('a unit that systemd is to restart counts as running', async () => {
    await make('crashes.service', { running: true, enabled: 'static' })
    await vi.waitFor(
      () => expect(systemctl('show', '-P', 'SubState', name('crashes.service'))).toContain('auto-restart'),
      { timeout: 5000 },
    )
    expect(await state('crashes.service')).toMatchObject({ running: true })
  })
  test('static, and not there', async () => {
    await expect(make('static.service', on)).rejects.toMatchObject({ reason: { code: 'UNIT_STATIC' } })
    await expect(make('none.service', on)).rejects.toMatchObject({ reason: { code: 'UNIT_MISSING' } })
    expect(await make('none.service', { running: false, enabled: 'masked' })).toMatchObject({
      enabled: 'masked',
    })
    expect(await make('none.service', null)).toBeNull()
  })
  test('what changed in a unit file is read again before a start', async () => {
    writeFileSync(`${folder}/${name('static.service')}`, '[Service]\nExecStart=sleep 1000\n')
    await make('static.service', { running: true, enabled: 'static' })
    expect(systemctl('show', '-P', 'ExecStart', name('static.service'))).toContain('1000')
  })

  test('hears a stop, a start, a change of files; a storm of reloads is a hint each', async () => {
    const hints: (string | undefined)[] = []
    const deaf = vi.fn()
    await make('simple.service', on)
    const stop = provider.hear(hint => hints.push(hint), deaf)
    const heard = async (what: string | undefined, ...argv: string[]) => {
      hints.length = 0
      const start = performance.now()
      let at: number | undefined
      const timer = setInterval(() => {
        if (hints.includes(what)) at ??= performance.now()
      }, 1)
      const child = import('node:child_process').then(
        ({ execFile }) => new Promise(done => execFile('systemctl', argv, done)),
      )
      await vi.waitFor(() => expect(at).toBeDefined(), { interval: 5, timeout: 5000 })
      clearInterval(timer)
      await child
      console.log(`${argv.join(' ')}: heard ${Math.round(at! - start)} ms after systemctl was started`)
    }
    // Until the subscription stands nothing is heard.
    await vi.waitFor(
      () => {
        systemctl('reset-failed', name('simple.service'))
        systemctl('restart', name('simple.service'))
        expect(hints).toContain(name('simple.service'))
      },
      { timeout: 5000 },
    )
    await heard(name('simple.service'), 'stop', name('simple.service'))
    await heard(name('simple.service'), 'start', name('simple.service'))
    await heard(undefined, 'disable', name('simple.service'))
    await heard(undefined, 'mask', '--runtime', name('static.service'))
    systemctl('unmask', '--runtime', name('static.service'))
    hints.length = 0
    for (let count = 0; count < 5; count++) systemctl('daemon-reload')
    await vi.waitFor(() => expect(hints.filter(each => each === undefined).length).toBeGreaterThanOrEqual(5))
    // A few for each, not one for every unit of the machine.
    expect(hints.length).toBeLessThan(50)
    expect(deaf).not.toHaveBeenCalled()
    expect(provider.busy()).toBe(false)
    stop()
  })
  test('is deaf while the bus is away, and hears again', async () => {
    const hints: (string | undefined)[] = []
    const deaf = vi.fn()
    const stop = provider.hear(hint => hints.push(hint), deaf)
    await make('simple.service', on)
    systemctl('kill', '-s', 'KILL', 'dbus.service')
    await vi.waitFor(() => expect(deaf).toHaveBeenCalled(), { timeout: 5000 })
    hints.length = 0
    await vi.waitFor(() => expect(hints).toContain(undefined), { timeout: 15_000 })
    systemctl('restart', name('simple.service'))
    await vi.waitFor(() => expect(hints).toContain(name('simple.service')), { timeout: 5000 })
    expect(await state('simple.service')).toMatchObject({ running: true })
    stop()
  })
})

describe.skipIf(!existsSync('/usr/bin/systemctl'))('unit files of a machine that does not run', () => {
  const root = mkdtempSync(`${tmpdir()}/fleet-units-`)
  const provider = openUnitFiles(root)
  beforeAll(() => {
    mkdirSync(`${root}/etc/systemd/system`, { recursive: true })
    for (const short of ['simple.service', 'static.service'])
      writeFileSync(`${root}/etc/systemd/system/${name(short)}`, units[short]!)
  })
  afterAll(() => rmSync(root, { recursive: true }))
  const state = async (short: string) => (await provider.observe([name(short)])).get(id(short))

  test('are enabled, disabled, masked; nothing is said about running', async () => {
    expect(await state('simple.service')).toEqual({ running: undefined, enabled: 'disabled' })
    expect(await state('none.service')).toBeNull()
    const to = { running: true, enabled: 'enabled' }
    await provider.change([change('simple.service', null, to), change('static.service', null, null)])
    expect(await state('simple.service')).toEqual({ running: undefined, enabled: 'enabled' })
    const wants = `${root}/etc/systemd/system/multi-user.target.wants/${name('simple.service')}`
    expect(lstatSync(wants).isSymbolicLink()).toBe(true)
    await provider.change([change('simple.service', to, null)])
    expect(await state('simple.service')).toEqual({ running: undefined, enabled: 'disabled' })
    await provider.change([change('none.service', null, { running: false, enabled: 'masked' })])
    expect(await state('none.service')).toEqual({ running: undefined, enabled: 'masked' })
    await provider.change([change('none.service', { running: false, enabled: 'masked' }, null)])
    expect(await state('none.service')).toBeNull()
    await expect(provider.change([change('none.service', null, to)])).rejects.toMatchObject({
      reason: { code: 'UNIT_MISSING' },
    })
  })
})

test('unit names in object paths', () => {
  const path = '/org/freedesktop/systemd1/unit/_31a_2db_401_2eservice'
  expect(pathOf('1a-b@1.service')).toBe(path)
  expect(unitOf(path)).toBe('1a-b@1.service')
})

test.each([
  [{ type: 4, path: '/org/freedesktop/systemd1', member: 'Reloading', body: [true] }, true],
  [{ type: 4, path: '/org/freedesktop/systemd1', member: 'UnitFilesChanged' }, true],
  [{ type: 4, path: pathOf('a.service'), member: 'PropertiesChanged', body: ['x', {}, []] }, true],
  [{ type: 4, path: pathOf('a.service'), member: 'PropertiesChanged', body: [] }, false],
  [{ type: 4, path: pathOf('a.service'), member: 'PropertiesChanged', body: ['x', null] }, false],
  [{ type: 4, path: '/org/freedesktop/systemd1', member: 'JobRemoved', body: [1] }, false],
  [{ type: 4, path: '/org/freedesktop/systemd1', member: 'toString' }, false],
  [{ type: 4, path: '/elsewhere', member: 'Reloading', body: [true] }, false],
  [{ type: 2, path: '/org/freedesktop/systemd1', member: 'Reloading', body: [true] }, false],
])('a signal is heeded only as systemd sends it: %j', (message, heeded) =>
  expect(signalOf(message) !== undefined).toBe(heeded),
)
