import { describe, expect, test } from 'vitest'
import type { Look } from '../../../../node/host/act.ts'
import type { State } from '../../../../node/host/resource.ts'
import { packageSpec, planPackage } from '../../../../node/host/verbs/package.ts'

const step = (options: Record<string, string>, name = 'nginx') => ({
  verb: 'PACKAGE',
  args: [name],
  options,
  id: `PACKAGE ${name}`,
  origin: { file: 'site.steps', line: 1, column: 1 },
})
const is = (version: string, held = false, automatic = false) => ({ version, held, automatic })
const look = (state: State | null | undefined) => ({ state: () => state }) as unknown as Look

describe('PACKAGE', () => {
  test.each<[Record<string, string>, State | null, State | null | 'kept']>([
    [{}, null, is('')],
    [{}, is('1.0'), 'kept'],
    [{}, is('1.0', true), 'kept'],
    [{}, is('1.0', true, true), is('1.0', true)],
    [{}, is('1.0 half-configured'), is('')],
    [{ version: '1.0' }, null, is('1.0')],
    [{ version: '1.0' }, is('1.0'), 'kept'],
    [{ version: '1.0' }, is('2.0'), is('1.0')],
    [{ version: '1.0' }, is('1.0 unpacked'), is('1.0')],
    [{ hold: '' }, is('1.0'), is('1.0', true)],
    [{ hold: '' }, is('1.0', true), 'kept'],
    [{ hold: '', version: '2.0' }, null, is('2.0', true)],
    [{ absent: '' }, null, 'kept'],
    [{ absent: '' }, is('1.0'), null],
    [{ absent: '' }, is('1.0 half-installed'), null],
  ])('%j on %j', (options, now, wanted) => {
    const acts = wanted === 'kept' ? [] : [{ kind: 'set', id: 'package:nginx', from: now, to: wanted }]
    expect(planPackage(step(options), look(now))).toEqual(acts)
  })
  test('purges only where it is said', () => {
    expect(planPackage(step({ undo: 'purge' }), look(null))).toMatchObject([{ to: is(''), purge: true }])
    expect(planPackage(step({ undo: 'purge', absent: '' }), look(is('1')))).toMatchObject([
      { to: null, purge: true },
    ])
  })
  test('needs a package manager', () => {
    expect(planPackage(step({}), look(undefined))).toMatchObject({ code: 'TOOL_MISSING' })
  })
  test.each([
    [step({}, 'fleet'), 'fleet agent upgrade'],
    [step({}, 'fleet:amd64'), 'fleet agent upgrade'],
    [step({ absent: '', version: '1' }), 'found absent'],
    [step({ absent: '', hold: '' }), 'found absent'],
    [step({ version: '1 2' }), 'expected a version'],
    [step({ version: '-o' }), 'expected a version'],
    [step({ version: '1.22.1-9+deb12u1' }), undefined],
    [step({ version: '2:8.39-15~x' }), undefined],
    [step({ absent: '', undo: 'purge' }), undefined],
  ])('%j', (declared, message) => {
    if (message === undefined) expect(packageSpec.check?.(declared)).toBeUndefined()
    else expect(packageSpec.check?.(declared)).toContain(message)
  })
})
