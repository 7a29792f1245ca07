// apt and dpkg themselves, on a machine that takes all changes into an overlay.
import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { StepError } from '../../node/host/errors.ts'
import { lockHolder } from '../../node/host/linux-outside.ts'
import { openPackages } from '../../node/host/linux-packages.ts'
import { openEngine } from '../../node/host/main.ts'
import type { PackageState } from '../../node/host/packages.ts'
import { type Change, type Provider, resourceId } from '../../node/host/resource.ts'
import { copy, payloads, step } from '../node/host/ground.ts'
import { openDebian } from './debian.ts'

const debian = openDebian()
if (!debian) console.log('apt is not tried: needs root on a Debian where an overlay can be mounted')

describe.skipIf(debian === undefined)('packages by apt', () => {
  const machine = debian!
  let apt: Provider
  beforeAll(() => {
    apt = openPackages(machine.root, machine.state)!
  })
  afterAll(() => machine.close())

  const any = { version: '', held: false, automatic: false }
  const to = (name: string, wanted: Partial<PackageState> | null, more: Partial<Change> = {}): Change => ({
    id: resourceId('package', name),
    from: null,
    to: wanted && { ...any, ...wanted },
    ...more,
  })
  const see = async (name: string) =>
    (await apt.observe([name])).get(resourceId('package', name)) as PackageState | null
  const go = async (...changes: Change[]) => {
    await apt.prepare(changes)
    return await apt.change(changes)
  }
  const reason = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(error).toBeInstanceOf(StepError)
    return (error as StepError).reason
  }

  test('brings what a package needs, and takes that back with it', async () => {
    machine.offer('fta', '1.0')
    machine.offer('ftb', '1.0', { depends: 'fta' })
    await go(to('ftb', {}))
    expect(await see('ftb')).toEqual({ version: '1.0', held: false, automatic: false })
    expect(await see('fta')).toEqual({ version: '1.0', held: false, automatic: true })
    expect(await go(to('ftb', null), to('fta', null, { along: true }))).toEqual({ leftBehind: [] })
    expect([await see('fta'), await see('ftb')]).toEqual([null, null])
  })

  test('leaves what came along where something else needs it by now', async () => {
    machine.offer('ftc', '1.0', { depends: 'fta' })
    await go(to('ftb', {}))
    machine.sh('apt-get -qq update; apt-get -qq -y install ftc')
    expect(await go(to('ftb', null), to('fta', null, { along: true }))).toEqual({
      leftBehind: ['package fta'],
    })
    expect(await see('fta')).not.toBeNull()
    await go(to('ftc', null), to('fta', null))
  })

  test('goes to a version and back, also when no source has it any more', async () => {
    machine.offer('ftd', '1.0')
    await go(to('ftd', { version: '1.0' }))
    machine.offer('ftd', '1:2.0')
    await go(to('ftd', {}))
    expect(await see('ftd')).toMatchObject({ version: '1.0' })
    expect(await apt.oneWay([to('ftd', { version: '1:2.0' })])).toEqual(new Map())
    await go(to('ftd', { version: '1:2.0' }))
    expect(machine.read('/usr/share/doc/ftd/version')).toBe('1:2.0')
    machine.withdraw('ftd', '1.0')
    machine.sh('apt-get -qq update; apt-get clean')
    await go(to('ftd', { version: '1.0' }))
    expect(machine.read('/usr/share/doc/ftd/version')).toBe('1.0')
  })

  test('says beforehand what cannot come back', async () => {
    machine.offer('fte', '1.0')
    machine.offer('fte', '2.0')
    await go(to('fte', { version: '1.0' }))
    machine.withdraw('fte', '1.0')
    machine.sh('apt-get -qq update; apt-get clean')
    const found = await apt.oneWay([to('fte', { version: '2.0' }), to('ftd', null, { purge: true })])
    expect(found.get(resourceId('package', 'fte'))).toContain('version 1.0 is in no source')
    expect(found.get(resourceId('package', 'ftd'))).toContain('undo=purge')
  })

  test('keeps edited configuration, leaves it behind, and purges only where it is said', async () => {
    const files = { '/etc/ftf/a.conf': '1\n', '/var/lib/ftf/x': '' }
    const options = { files, conffiles: ['/etc/ftf/a.conf'] }
    machine.offer('ftf', '1.0', options)
    machine.offer('ftf', '2.0', { ...options, files: { ...files, '/etc/ftf/a.conf': '2\n' } })
    await go(to('ftf', { version: '1.0' }))
    machine.sh('echo mine >/etc/ftf/a.conf; touch /var/lib/ftf/data')
    await go(to('ftf', { version: '2.0' }))
    expect(machine.read('/etc/ftf/a.conf')).toBe('mine\n')
    // Beside the file lies a.conf.dpkg-dist.
    const { leftBehind } = await go(to('ftf', null))
    expect(leftBehind).toEqual(['/etc/ftf/a.conf', '/etc/ftf', '/var/lib/ftf'])
    expect(await see('ftf')).toBeNull()
    await go(to('ftf', {}))
    expect((await go(to('ftf', null, { purge: true }))).leftBehind).toEqual(['/var/lib/ftf'])
    expect(machine.exists('/etc/ftf')).toBe(false)
  })

  test('holds, and lets go', async () => {
    machine.offer('ftg', '1.0')
    await go(to('ftg', { held: true }))
    expect(await see('ftg')).toMatchObject({ held: true, version: '1.0' })
    machine.offer('ftg', '2.0')
    machine.sh('apt-get -qq update; apt-get -qq -y install ftg || true')
    expect(await see('ftg')).toMatchObject({ version: '1.0' })
    await go(to('ftg', { held: true, version: '2.0' }))
    expect(await see('ftg')).toMatchObject({ held: true, version: '2.0' })
    await go(to('ftg', { version: '2.0' }))
    expect(await see('ftg')).toMatchObject({ held: false })
  })

  test('refuses what no step says, and changes nothing', async () => {
    machine.offer('fth', '1.0', { conflicts: 'ftd' })
    const refused = await reason(apt.prepare([to('fth', {})]))
    expect(refused).toMatchObject({ code: 'PACKAGE_CONFLICT', path: 'package:fth' })
    expect(refused.detail).toContain('remove ftd')
    expect(await see('fth')).toBeNull()
    await go(to('fth', {}), to('ftd', null))
    expect(await see('ftd')).toBeNull()
  })

  test('names packages and versions that nobody offers', async () => {
    expect(await reason(apt.prepare([to('ftzz', {})]))).toMatchObject({
      code: 'PACKAGE_UNKNOWN',
      path: 'package:ftzz',
    })
    const { detail } = await reason(apt.prepare([to('ftg', { version: '9' })]))
    expect(detail).toContain('found version 9; there are: 2.0, 1.0')
  })

  test('finds a source that was added, without being told', async () => {
    const source = '/etc/apt/sources.list'
    const text = machine.read(source)
    machine.offer('fti', '1.0')
    fs.writeFileSync(`${machine.root}${source}`, '')
    machine.sh('apt-get -qq update')
    expect(await reason(apt.prepare([to('fti', {})]))).toMatchObject({ code: 'PACKAGE_UNKNOWN' })
    fs.writeFileSync(`${machine.root}${source}`, text)
    await go(to('fti', {}))
    expect(await see('fti')).not.toBeNull()
  })

  test('in a run: a source that it declares is there before its packages, and both go again', async () => {
    const list = '/etc/apt/sources.list'
    const text = machine.read(list)
    machine.offer('ftm', '1.0', { depends: 'ftn' })
    machine.offer('ftn', '1.0')
    fs.writeFileSync(`${machine.root}${list}`, '')
    machine.sh('apt-get -qq update')
    const state = `${machine.state}/engine`
    const engine = openEngine({ root: machine.root, state, now: Date.now, random: Math.random })
    const about = { id: '1', label: 'release 1', facts: {} }
    const wanted = step('PACKAGE', ['ftm'])
    expect(await engine.run([wanted], about, payloads)).toMatchObject({
      kind: 'wait',
      notKept: [{ reason: { code: 'PACKAGE_UNKNOWN' } }],
    })
    const source = copy('/etc/apt/sources.list.d/pool.list', text)
    expect(await engine.run([source, wanted], about, payloads)).toMatchObject({
      kind: 'applied',
      notKept: [],
    })
    expect([await see('ftm'), await see('ftn')]).toMatchObject([{ version: '1.0' }, { automatic: true }])
    expect(await engine.run([source, wanted], about, payloads)).toMatchObject({ kind: 'unchanged' })
    expect(await engine.run([], about, payloads)).toMatchObject({
      kind: 'applied',
      dirty: [],
      leftBehind: [],
    })
    expect([await see('ftm'), await see('ftn')]).toEqual([null, null])
    engine.close()
    fs.writeFileSync(`${machine.root}${list}`, text)
  })

  test('a script that fails leaves a package that undo removes', async () => {
    machine.offer('ftj', '1.0', { scripts: { postinst: 'echo it does not work >&2; exit 3' } })
    const failed = await reason(go(to('ftj', {})))
    expect(failed).toMatchObject({ code: 'PACKAGE_FAILED', path: 'package:ftj' })
    expect(failed.detail).toContain('it does not work')
    expect(await see('ftj')).toMatchObject({ version: '1.0 half-configured' })
    expect(await apt.oneWay([to('ftj', null)])).toEqual(new Map())
    await go(to('ftj', null))
    expect(await see('ftj')).toBeNull()
  })

  test('knows a package manager at work, waits for it, and knows its files', async () => {
    machine.offer('ftk', '1.0', {
      scripts: { postinst: 'touch /at-it; while [ -e /at-it ]; do sleep 0.05; done' },
    })
    machine.sh('apt-get -qq update')
    const other = spawn('chroot', [machine.root, 'apt-get', '-qq', '-y', 'install', 'ftk'], {
      stdio: 'ignore',
    })
    await vi.waitFor(() => expect(machine.exists('/at-it')).toBe(true), { timeout: 10_000 })
    expect(apt.busy()).toBe(true)
    expect(await reason(apt.prepare([to('ftg', null)]))).toMatchObject({ code: 'PACKAGE_LOCKED' })
    const paths = ['/usr/share/doc/ftk/version', '/etc/motd.none', '/etc/dpkg/dpkg.cfg']
    expect([...apt.owns!(paths)].sort()).toEqual(['/etc/dpkg/dpkg.cfg', '/usr/share/doc/ftk/version'])
    const heard = vi.fn()
    const stop = apt.hear(heard, () => expect.unreachable())
    fs.rmSync(`${machine.root}/at-it`)
    await new Promise(done => other.on('exit', done))
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(undefined))
    stop()
    expect(apt.busy()).toBe(false)
    expect(await see('ftk')).toMatchObject({ version: '1.0' })
  })

  test.each(['agent', 'dpkg'])('recovers from kill -9 of the %s in the middle', async victim => {
    const name = `ftl-${victim}`
    machine.sh('rm -f /at-it /go-on')
    machine.offer(name, '1.0', {
      scripts: { postinst: 'touch /at-it; while [ ! -e /go-on ]; do sleep 0.05; done' },
    })
    const script = fileURLToPath(new URL('apt-child.ts', import.meta.url))
    const argv = [script, machine.root, machine.state, JSON.stringify([to(name, {})])]
    const child = spawn(process.execPath, argv, { stdio: 'ignore' })
    const ended = new Promise(done => child.on('exit', done))
    await vi.waitFor(() => expect(machine.exists('/at-it')).toBe(true), { timeout: 10_000 })
    child.kill('SIGKILL')
    await ended
    if (victim === 'dpkg') {
      const locks = ['lock-frontend', 'lock'].map(lock => `${machine.root}/var/lib/dpkg/${lock}`)
      for (let pid = lockHolder(locks); pid !== undefined; pid = lockHolder(locks))
        process.kill(pid, 'SIGKILL')
    }
    const recovered = apt.recover(true)
    fs.writeFileSync(`${machine.root}/go-on`, '')
    await recovered
    expect(await see(name)).toMatchObject({ version: '1.0' })
    await go(to(name, {}))
    expect(machine.sh('dpkg --audit')).toBe('')
  })
})
