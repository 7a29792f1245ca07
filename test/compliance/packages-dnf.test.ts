// dnf and rpm themselves, in a root directory of their own.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { StepError } from '../../node/host/errors.ts'
import { openPackages } from '../../node/host/linux-packages.ts'
import type { PackageState } from '../../node/host/packages.ts'
import { type Change, type Provider, resourceId } from '../../node/host/resource.ts'
import { openRedHat } from './red-hat.ts'

const redHat = openRedHat()
if (!redHat) console.log('dnf is not tried: needs root, dnf, rpm, rpmbuild and createrepo_c')

describe.skipIf(redHat === undefined)('packages by dnf', () => {
  const machine = redHat!
  let dnf: Provider
  beforeAll(() => {
    dnf = openPackages(machine.root, machine.state)!
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
    (await dnf.observe([name])).get(resourceId('package', name)) as PackageState | null
  const go = async (...changes: Change[]) => {
    await dnf.prepare(changes)
    return await dnf.change(changes)
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
    machine.offer('ftb', '1.0', { requires: 'fta' })
    expect(await see('ftb')).toBeNull()
    await go(to('ftb', {}))
    expect(await see('ftb')).toEqual({ version: '1.0-1', held: false, automatic: false })
    expect(await see('fta')).toEqual({ version: '1.0-1', held: false, automatic: true })
    expect(await go(to('ftb', null), to('fta', null, { along: true }))).toEqual({ leftBehind: [] })
    expect([await see('fta'), await see('ftb')]).toEqual([null, null])
  })

  test('leaves what came along where something else needs it by now', async () => {
    machine.offer('ftc', '1.0', { requires: 'fta' })
    await go(to('ftb', {}))
    machine.dnf('--refresh', 'install', 'ftc')
    expect(await go(to('ftb', null), to('fta', null, { along: true }))).toEqual({
      leftBehind: ['package fta'],
    })
    expect(await see('fta')).not.toBeNull()
  })

  test('goes to a version and back, also when no source has it any more', async () => {
    machine.offer('ftd', '1.0')
    await go(to('ftd', { version: '1.0-1' }))
    machine.offer('ftd', '2.0')
    await go(to('ftd', { version: '2.0-1' }))
    expect(machine.read('/usr/share/ftd/version')).toBe('2.0\n')
    machine.withdraw('ftd', '1.0')
    machine.dnf('makecache', '--refresh')
    expect(await dnf.oneWay([to('ftd', { version: '1.0-1' })])).toEqual(new Map())
    await go(to('ftd', { version: '1.0-1' }), to('fta', null), to('ftc', null))
    expect(machine.read('/usr/share/ftd/version')).toBe('1.0\n')
    expect(await see('ftc')).toBeNull()
  })

  test('says beforehand what cannot come back', async () => {
    machine.offer('fte', '1.0')
    await go(to('fte', {}))
    machine.withdraw('fte', '1.0')
    machine.dnf('makecache', '--refresh')
    const found = await dnf.oneWay([to('fte', null), to('ftd', null, { purge: true })])
    expect(found.get(resourceId('package', 'fte'))).toContain('version 1.0-1 is in no source')
    expect(found.get(resourceId('package', 'ftd'))).toContain('undo=purge')
  })

  test('leaves edited configuration and data behind, and purges only where it is said', async () => {
    machine.offer('ftf', '1.0')
    await go(to('ftf', {}))
    machine.write('/etc/ftf.conf', 'mine\n')
    machine.write('/usr/share/ftf/data', '')
    const { leftBehind } = await go(to('ftf', null))
    expect([...leftBehind].sort()).toEqual(['/etc/ftf.conf.rpmsave', '/usr/share/ftf'])
    expect(machine.read('/etc/ftf.conf.rpmsave')).toBe('mine\n')
    await go(to('ftf', {}))
    machine.write('/etc/ftf.conf', 'mine again\n')
    await go(to('ftf', null, { purge: true }))
    expect(machine.exists('/etc/ftf.conf.rpmsave')).toBe(false)
  })

  test('holds, and lets go', async () => {
    machine.offer('ftg', '1.0')
    await go(to('ftg', { held: true }))
    expect(await see('ftg')).toMatchObject({ held: true, version: '1.0-1' })
    machine.offer('ftg', '2.0')
    machine.dnf('--refresh', 'upgrade')
    expect(await see('ftg')).toMatchObject({ version: '1.0-1' })
    await go(to('ftg', { held: true, version: '2.0-1' }))
    expect(await see('ftg')).toMatchObject({ held: true, version: '2.0-1' })
    await go(to('ftg', { version: '2.0-1' }))
    expect(await see('ftg')).toMatchObject({ held: false })
    expect(machine.read('/etc/dnf/dnf.conf')).toContain('gpgcheck=0')
  })

  test('refuses what no step says, and changes nothing', async () => {
    await go(to('ftb', {}))
    const refused = await reason(dnf.prepare([to('fta', null)]))
    expect(refused).toMatchObject({ code: 'PACKAGE_CONFLICT', path: 'package:fta' })
    expect(refused.detail).toContain('remove ftb')
    machine.offer('fth', '1.0', { conflicts: 'ftd' })
    expect(await reason(dnf.prepare([to('fth', {})]))).toMatchObject({ code: 'PACKAGE_CONFLICT' })
    expect([await see('fth'), await see('fta')]).toMatchObject([null, { version: '1.0-1' }])
  })

  test('names packages and versions that nobody offers', async () => {
    expect(await reason(dnf.prepare([to('ftzz', {})]))).toMatchObject({
      code: 'PACKAGE_UNKNOWN',
      path: 'package:ftzz',
    })
    const { detail } = await reason(dnf.prepare([to('ftg', { version: '9' })]))
    expect(detail).toContain('found version 9; there are: 2.0-1, 1.0-1')
  })

  test('hears of changes by others, and knows their files', async () => {
    const heard = vi.fn()
    const stop = dnf.hear(heard, () => expect.unreachable())
    machine.dnf('remove', 'ftg')
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(undefined))
    stop()
    expect(await see('ftg')).toBeNull()
    expect([...dnf.owns!(['/etc/ftd.conf', '/etc/dnf/dnf.conf', '/nothing'])]).toEqual(['/etc/ftd.conf'])
    expect(dnf.busy()).toBe(false)
  })
})
