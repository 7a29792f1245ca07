// Who is in which phase, who is shown, and when a script need wait no longer.
import { describe, expect, test } from 'vitest'
import {
  countsOf,
  epochOf,
  fits,
  type Picture,
  phaseOf,
  type Sort,
  sorted,
  stateWords,
  type WaitFor,
  waited,
} from '../../cli/census.ts'
import type { PeerView } from '../../node/control.ts'
import { fiveHundred, nowMs, peer, rollout, six, stage } from './pictures.ts'

describe('phases', () => {
  test.each<[string, Partial<PeerView>, string]>([
    ['healthy with all steps kept', {}, 'converged'],
    ['nothing to do', { state: 'NOOP' }, 'converged'],
    ['on a release that is not known here yet', { release: 43 }, 'converged'],
    ['soaks', { state: 'APPLIED' }, 'soaking'],
    ['runs', { state: 'APPLYING' }, 'applying'],
    ['failed', { state: 'FAILED' }, 'failed'],
    ['failed a release before, and has not begun this one', { state: 'FAILED', release: 41 }, 'waiting'],
    ['an undo failed', { release: 41, flags: ['DIRTY'] }, 'failed'],
    ['a step is not kept', { notKept: 1 }, 'not-kept'],
    ['a step of the release before is not kept', { notKept: 1, release: 41 }, 'not-kept'],
    ['cannot prepare', { state: 'WAIT' }, 'stuck'],
    ['could not prove that it is reached', { state: 'INCONCLUSIVE' }, 'stuck'],
    ['its agent is too old', { release: 41, flags: ['NEEDS_AGENT'] }, 'stuck'],
    ['refused this release', { release: 41, refused: { sequence: 42, code: 'NEVER' } }, 'stuck'],
    ['refused something else once', { refused: { sequence: 40, code: 'SIGNER_UNKNOWN' } }, 'converged'],
    ['blank', { release: null, state: 'BLANK' }, 'waiting'],
    ['on the release before', { release: 41 }, 'waiting'],
    ['silent, whatever it said last', { silent: true, state: 'FAILED' }, 'silent'],
    ['paused, whatever it keeps', { flags: ['PAUSED'], notKept: 3 }, 'paused'],
  ])('%s', (_name, more, phase) => expect(phaseOf(peer('web1', more), 42)).toBe(phase))

  test('without a release all wait', () =>
    expect(phaseOf(peer('a', { release: null }), undefined)).toBe('waiting'))

  test('each host is counted once, stale ones besides', () => {
    const counts = countsOf({ ...six, peers: [...six.peers, peer('old', { flags: ['STALE'] })] })
    const { stale, ...phases } = counts
    expect(stale).toBe(1)
    expect(phases).toEqual({
      ...{ failed: 1, 'not-kept': 0, stuck: 0, silent: 1, applying: 0, soaking: 1, waiting: 1, paused: 1 },
      converged: 2,
    })
    const all = Object.values(countsOf(fiveHundred)).reduce((sum, each) => sum + each, 0)
    expect(all).toBe(500)
  })

  test('the epoch is the newest open stage', () => {
    expect(epochOf(rollout({ stages: [stage(1, 1), stage(2, 5), stage(3, 9, { openedMs: null })] }))).toEqual(
      {
        open: 2,
        of: 3,
      },
    )
    expect(epochOf(rollout({ stages: [stage(1, 1, { openedMs: null })] }))).toEqual({ open: 0, of: 1 })
  })
})

describe('filters and order', () => {
  const names = (peers: readonly PeerView[]) => peers.map(each => each.name).join(' ')
  test.each<[string, readonly string[], readonly string[], number | undefined, string]>([
    ['a label', ['role=web'], [], undefined, 'web1 web2 web10'],
    ['any value of a label', ['role'], [], undefined, 'web1 web2 web10 db1'],
    ['what an object has by itself is no label', ['constructor'], [], undefined, ''],
    ['two labels', ['role=web', 'role=db'], [], undefined, ''],
    ['a phase', [], ['failed'], undefined, 'web2'],
    ['a state', [], ['healthy'], undefined, 'web1 db1'],
    ['one of two', [], ['silent', 'paused'], undefined, 'db2 mail'],
    ['a release', [], [], 41, 'db1 db2 mail'],
    ['all together', ['role=db'], ['waiting'], 41, 'db1'],
  ])('%s', (_name, labels, states, release, expected) => {
    expect(names(six.peers.filter(each => fits(each, { labels, states, release }, 42)))).toBe(expected)
  })

  test.each<[Sort, string]>([
    ['attention', 'web2 db2 web10 db1 mail web1'],
    ['name', 'db1 db2 mail web1 web2 web10'],
    ['release', 'web1 web2 web10 db1 db2 mail'],
    ['heard', 'db2 db1 mail web2 web10 web1'],
    ['drift', 'web10 db1 db2 mail web1 web2'],
  ])('by %s', (sort, expected) => expect(names(sorted(six.peers, sort, 42))).toBe(expected))

  test('the words of --state are phases and states, each once, lower case', () => {
    expect(stateWords).toEqual([...new Set(stateWords)])
    expect(stateWords).toEqual(expect.arrayContaining(['converged', 'not-kept', 'wait', 'noop', 'stale']))
  })
})

describe('a wait', () => {
  const wait = (
    peers: readonly PeerView[],
    more: Partial<WaitFor> = {},
    passedMs = 0,
    seen: Partial<Picture> = {},
  ) =>
    waited(
      { peers, rollout: rollout(), ...seen },
      { release: undefined, silentAtStart: new Set(), timeoutMs: 600_000, ...more },
      passedMs,
    )
  const [good, soaking] = [peer('web1'), peer('web2', { state: 'APPLIED' })]
  const silent = peer('db1', { silent: true, heardMs: null, state: 'SILENT', release: null })
  const paused = peer('db2', { flags: ['PAUSED'], release: 41 })

  test('goes on while somebody soaks, and ends when all are healthy', () => {
    expect(wait([good, soaking])).toBeUndefined()
    expect(wait([good, peer('web2')])).toEqual({
      ...{ outcome: 'converged', reason: 'release 42 is on 2 hosts, all healthy', waiting: [], left: [] },
    })
  })
  test('paused hosts and those silent at the start are named, and not waited for', () => {
    const left = ['db1', 'db2']
    const silentAtStart = new Set(['db1'])
    expect(wait([good, silent, paused], { silentAtStart }, 10_000)).toMatchObject({
      outcome: 'converged',
      left,
    })
    // Not at once: whoever was asked may have started just now, and have heard of nobody yet.
    expect(wait([good, silent, paused], { silentAtStart }, 9_999)).toBeUndefined()
  })
  test('a host that falls silent meanwhile is waited for: the release may have silenced it', () => {
    expect(wait([good, silent])).toBeUndefined()
    expect(wait([good, silent], {}, 600_000)).toEqual({
      outcome: 'timeout',
      reason: 'after 10 min 1 of 2 hosts have not converged: db1 silent',
      waiting: ['db1'],
      left: [],
    })
  })
  test('one that was silent at the start and is back counts again', () => {
    expect(wait([good, peer('db1', { release: 41 })], { silentAtStart: new Set(['db1']) })).toBeUndefined()
  })
  test('a failure ends it at once, with its reason', () => {
    expect(wait([good, peer('web2', { state: 'FAILED', why: 'CHECK failed' })])).toMatchObject({
      outcome: 'failed',
      reason: 'web2 failed at release 42: CHECK failed',
    })
  })
  test('so does a halt', () => {
    const decision = { kind: 'halt', reason: 'two signed failures', untilMs: null } as const
    const seen = { rollout: rollout({ decision }) }
    expect(wait([good, soaking], {}, 0, seen)).toMatchObject({
      outcome: 'halted',
      reason: 'release 42 is halted: two signed failures',
      waiting: ['web2'],
    })
  })
  test('and an order to halt, also when all stages are open', () => {
    const halts = [{ id: 'cd'.repeat(32), signer: 'bob', issuedMs: nowMs, reason: 'the shop is slow' }]
    const seen = { rollout: rollout({ halts }) }
    expect(wait([good, soaking], {}, 0, seen)?.reason).toBe(
      'release 42 is halted: bob halted it: the shop is slow',
    )
    // Those that have it already are not taken back.
    expect(wait([good], {}, 0, seen)?.outcome).toBe('converged')
  })
  test('a release that is not heard of yet is waited for', () => {
    expect(wait([good], { release: 43 })).toBeUndefined()
    expect(wait([good], { release: 43 }, 600_000)?.reason).toBe(
      'after 10 min release 43 has not been heard of',
    )
    expect(wait([good], { release: 42 })?.outcome).toBe('converged')
    expect(wait([good], {}, 600_000, { rollout: null })?.reason).toBe('after 10 min there is no release yet')
  })
  test('with nobody to wait for it is no success', () => {
    expect(wait([])).toMatchObject({ outcome: 'nobody' })
    expect(wait([paused])).toBeUndefined()
    expect(wait([paused], {}, 600_000)).toMatchObject({ outcome: 'nobody', left: ['db2'] })
  })
  test('of many that are late, the first few are named', () => {
    const many = Array.from({ length: 20 }, (_, at) => peer(`web${at}`, { release: 41, heardMs: nowMs }))
    expect(wait(many, {}, 600_000)?.reason).toBe(
      'after 10 min 20 of 20 hosts have not converged: web0 waiting, web1 waiting, web2 waiting, web3 waiting, web4 waiting, web5 waiting, web6 waiting, web7 waiting and 12 more',
    )
  })
})
