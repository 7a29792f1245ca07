// The local half of the cut-off guard: what is guarded, and what becomes of a run that nobody confirms.
import { describe, expect, test, vi } from 'vitest'
import type { Act } from '../../../node/host/act.ts'
import { confirmWithinMs, isGuarded, type Witness } from '../../../node/host/guard.ts'
import type { StepPlan } from '../../../node/host/plan.ts'
import { about, copy, ground, payloads, run } from './ground.ts'
import { fakeProviders } from './providers.ts'

const planOf = (act: Act, step = copy('/x', 'x')): StepPlan => ({
  step,
  kind: 'new',
  acts: [{ act, before: null, first: true, drifted: false, reload: false }],
  undoClass: 'exact',
  originals: [],
  leftBehind: [],
  damaged: [],
})
const remove = (path: string): Act => ({ kind: 'remove', path })
const set = (id: `${'unit' | 'package' | 'sysctl'}:${string}`): Act => ({
  kind: 'set',
  id,
  from: null,
  to: null,
})

describe('guarded', () => {
  const rows: [Act, boolean][] = [
    [remove('/etc/ssh/sshd_config'), true],
    [remove('/etc/network/interfaces.d/a'), true],
    [remove('/etc/systemd/network/10.network'), true],
    [remove('/etc/systemd/resolved.conf'), true],
    [remove('/etc/systemd/resolved.conf.d/x'), true],
    [remove('/etc/nftables.conf'), true],
    [remove('/etc/hosts.deny'), true],
    [remove('/etc/systemd/system/fleet.service.d/x.conf'), true],
    [remove('/etc/hosts'), false],
    [remove('/etc/sshx'), false],
    [remove('/etc/systemd/system/web.service'), false],
    [set('unit:ssh.service'), true],
    [set('unit:ssh.socket'), true],
    [set('unit:web.service'), false],
    [set('package:nftables:amd64'), true],
    [set('package:nginx'), false],
    [set('sysctl:net.ipv4.ip_forward'), true],
    [set('sysctl:vm.swappiness'), false],
    [{ kind: 'run', argv: ['true'], timeoutMs: 1 }, false],
  ]
  for (const [act, expected] of rows)
    test(`${'path' in act ? act.path : act.kind === 'set' ? act.id : 'a command'}: ${expected}`, () =>
      expect(isGuarded(planOf(act))).toBe(expected))
  test('a command that says so', () => {
    const act: Act = { kind: 'run', argv: ['true'], timeoutMs: 1 }
    expect(isGuarded(planOf(act, run('true', { guarded: '' })))).toBe(true)
    expect(isGuarded({ ...planOf(act, run('true', { guarded: '' })), acts: [] })).toBe(false)
  })
})

function witness(before: 'none' | { token: unknown }, confirm: 'confirmed' | 'silent', heard = false) {
  const asked: unknown[] = []
  const port: Witness = {
    before: async () => before,
    confirm: async (...args) => {
      asked.push(args)
      return confirm
    },
    heard: async () => heard,
  }
  return { port, asked }
}

describe('a run that touches the way in', () => {
  const steps = [
    copy('/etc/ssh/sshd_config', 'new'),
    copy('/etc/other', 'x'),
    run('touch ran', { undo: 'rm ran' }),
  ]
  const rows: [string, ReturnType<typeof witness>, string, string[], boolean][] = [
    ['confirmed', witness({ token: 7 }, 'confirmed'), 'applied', [], true],
    ['nobody to ask', witness('none', 'confirmed'), 'wait', ['NO_WITNESS'], false],
    ['cut off', witness({ token: 7 }, 'silent', true), 'failed', ['CUT_OFF'], false],
    ['no network at all', witness({ token: 7 }, 'silent', false), 'inconclusive', ['CUT_OFF'], false],
  ]
  for (const [title, { port, asked }, kind, codes, inForce] of rows)
    test(title, async () => {
      const here = ground()
      here.fill({ '/etc/ssh/sshd_config': 'old' })
      const before = here.walk()
      const engine = here.open({ providers: fakeProviders(here.dir, here.root).providers })
      const outcome = await engine.run(steps, about('1'), payloads, { witness: port })
      expect([outcome.kind, outcome.notKept.map(each => each.reason.code)]).toEqual([kind, codes])
      expect(engine.inForce() !== undefined).toBe(inForce)
      if (!inForce) expect(here.walk()).toEqual(before)
      expect(asked).toEqual(kind === 'wait' ? [] : [[7, confirmWithinMs]])
      engine.close()
    })

  test('unguarded runs ask nobody', async () => {
    const here = ground()
    here.fill({ '/etc/': '' })
    const engine = here.open()
    const { port, asked } = witness('none', 'silent')
    expect((await engine.run([copy('/etc/x', 'x')], about('1'), payloads, { witness: port })).kind).toBe(
      'applied',
    )
    expect(asked).toEqual([])
    engine.close()
  })

  test('a witness that never answers, or fails, is silent', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const never = new Promise<never>(() => {})
      for (const [port, kind] of [
        [
          { ...witness({ token: 7 }, 'confirmed').port, confirm: () => never, heard: () => never },
          'inconclusive',
        ],
        [{ ...witness('none', 'confirmed').port, before: () => never }, 'wait'],
        [{ ...witness('none', 'confirmed').port, before: () => Promise.reject(new Error('no')) }, 'wait'],
      ] as const) {
        const here = ground()
        here.fill({ '/etc/ssh/sshd_config': 'old' })
        const before = here.walk()
        const engine = here.open({ providers: new Map() })
        let outcome: string | undefined
        const done = engine.run([steps[0]!], about('1'), payloads, { witness: port }).then(each => {
          outcome = each.kind
        })
        while (outcome === undefined) {
          await vi.advanceTimersByTimeAsync(confirmWithinMs)
          await new Promise(setImmediate)
        }
        await done
        expect([outcome, here.walk()]).toEqual([kind, before])
        engine.close()
      }
    } finally {
      vi.useRealTimers()
    }
  })

  test('unconfirmed at a restart it is taken back', async () => {
    const here = ground()
    here.fill({ '/etc/ssh/sshd_config': 'old' })
    const before = here.walk()
    let waits = () => {}
    const reached = new Promise<void>(done => {
      waits = done
    })
    const port: Witness = {
      before: async () => ({ token: 1 }),
      confirm: () => {
        waits()
        return new Promise(() => {})
      },
      heard: async () => true,
    }
    const engine = here.open()
    void engine.run(steps, about('1'), payloads, { witness: port })
    await reached
    expect(here.read('/etc/ssh/sshd_config')).toBe('new')
    // As after a power cut: another engine on what the first one wrote.
    engine.close()
    const again = here.open()
    expect(await again.recover()).toMatchObject({ undone: true, dirty: [] })
    expect(here.walk()).toEqual(before)
    again.close()
  })
})
