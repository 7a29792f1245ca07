// A release goes through six hosts in stages of 1, 3 and 6: a good one, a bad one, one while a part is cut off, one that is
// halted from a laptop, and one while a host is off; and a branch is tried on one host. What ran where and when is read in the
// hosts' own journals. That a release may cut off its canary is cut-off.test.ts's.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Outline } from '../../cli/outline.ts'
import type { PeerView, RolloutView } from '../../node/control.ts'
import { until } from './command.ts'
import { LabFleet } from './fleet.ts'
import type { Host } from './lab.ts'
import { onLab } from './suite.ts'

/** h1 goes first, h2 and h3 next, then those of the databases: so it is known before a release who is in which stage. */
const labels = {
  h1: ['rollout=canary'],
  ...Object.fromEntries(['h4', 'h5', 'h6'].map(name => [name, ['rollout=last', 'role=db']])),
}
const stages = [['h1'], ['h2', 'h3'], ['h4', 'h5', 'h6']]
const steps = 'MKDIR /etc/app\nCOPY files/a /etc/app/a\n'

/** When a release began on a host and when it said that it is HEALTHY; undefined: it did not. */
async function story(fleet: LabFleet, host: Host, sequence: number) {
  const lines = (await fleet.lines(host)).filter(each => each['sequence'] === sequence)
  const at = (fits: (line: (typeof lines)[number]) => boolean) => {
    const found = lines.find(fits)
    return found && Date.parse(found.time)
  }
  return {
    startedMs: at(({ event }) => event === 'run started'),
    healthyMs: at(({ event, state }) => event === 'state' && state === 'HEALTHY'),
    failedMs: at(({ event, state }) => event === 'state' && state === 'FAILED'),
  }
}

/** The hosts that ever began with a release, by name. */
async function begun(fleet: LabFleet, sequence: number, hosts = fleet.hosts): Promise<readonly string[]> {
  const stories = await Promise.all(hosts.map(host => story(fleet, host, sequence)))
  return hosts.filter((_, at) => stories[at]!.startedMs !== undefined).map(({ name }) => name)
}

/** Nobody began before all of the stages before it were well. `except`: whom nobody could wait for. */
async function inOrder(
  fleet: LabFleet,
  { sequence, soakSeconds }: Outline,
  except: readonly string[] = [],
): Promise<void> {
  let wellMs = 0
  for (const names of stages) {
    const hosts = names.filter(each => !except.includes(each)).map(each => fleet.host(each))
    const stories = await Promise.all(hosts.map(host => story(fleet, host, sequence)))
    for (const each of stories) {
      expect(each.startedMs).toBeGreaterThanOrEqual(wellMs)
      expect(each.healthyMs).toBeGreaterThanOrEqual(each.startedMs! + soakSeconds * 1000)
    }
    wellMs = Math.max(...stories.map(each => each.healthyMs!))
  }
}

/** `fleet rollout` on a host. */
const rollout = async (host: Host) =>
  JSON.parse((await host.exec(['fleet', 'rollout', '--json'])).stdout) as RolloutView

/** Waits as a script of the operator would, on the laptop. */
const waited = async (fleet: LabFleet, { sequence }: Outline, exits = [0], timeout = '90s') => {
  const words = ['peers', '--wait', 'converged', '--release', `${sequence}`, '--timeout', timeout, '--json']
  return JSON.parse((await fleet.run(words, { exits })).stdout) as { outcome: string; left: string[] }
}

const began = (fleet: LabFleet, name: string, { sequence }: Outline) =>
  until(`release ${sequence} to begin on ${name}`, async () =>
    (await begun(fleet, sequence, [fleet.host(name)])).length > 0 ? true : undefined,
  )

const held = (fleet: LabFleet, name: string, reason: RegExp) =>
  until(`${name} to be held: ${reason}`, async () => {
    const now = await fleet.status(fleet.host(name))
    return now?.held && reason.test(now.held.reason) ? now.held : undefined
  })

async function begin(name: string, soak: string): Promise<LabFleet> {
  const fleet = await LabFleet.begin(name, 6, labels)
  fleet.write('fleet.toml', `name = "lab"\n[rollout]\nstages = [1, 3, 6]\nsoak = "${soak}"\n`)
  await fleet.release('first', steps, { 'files/a': 'first\n' })
  await fleet.complete()
  return fleet
}

const say = (what: string, ms: number) => console.log(`${what}: ${(ms / 1000).toFixed(1)} s`)
const aOf = (fleet: LabFleet, names: readonly string[]) =>
  Promise.all(names.map(name => fleet.host(name).sh('cat /etc/app/a')))

/** When anything last changed there: a name in the directory, or the file. */
const lookOf = (fleet: LabFleet, names: readonly string[]) =>
  Promise.all(names.map(name => fleet.host(name).sh('stat -c "%Z %Y" /etc/app /etc/app/a')))

// Two labs at once, since most of the second one's time is waiting for a host that is off.
describe.concurrent('stages', () => {
  onLab('a release in stages', () => {
    let fleet: LabFleet
    beforeAll(async () => {
      fleet = await begin('stages', '4s')
    })
    afterAll(() => (process.env['FLEET_LAB_KEEP'] ? undefined : fleet?.close()))

    test('a good one reaches the canary, then three, then all six', { concurrent: false }, async () => {
      const beganMs = Date.now()
      const good = await fleet.staged('good', steps, { 'files/a': 'good\n' })
      expect(good.stages.map(each => [each.hosts, each.names.toSorted()])).toEqual([
        [1, stages[0]],
        [3, stages[1]],
        [6, stages[2]],
      ])
      expect(good).toMatchObject({ stable: 3, seed: null, affected: 6 })
      expect(await waited(fleet, good)).toMatchObject({ outcome: 'converged', left: [] })
      say('from publishing to six healthy hosts', Date.now() - beganMs)
      await inOrder(fleet, good)
      expect(await aOf(fleet, stages.flat())).toEqual(Array(6).fill('good'))
    })

    test('a bad one stops at the canary, is taken back there, and is never seen elsewhere', {
      concurrent: false,
    }, async () => {
      const others = stages.flat().slice(1)
      const before = await lookOf(fleet, others)
      const beganMs = Date.now()
      const check = 'COPY files/b /etc/app/b\nCHECK command "grep -q good /etc/app/a" within=1s\n'
      const bad = await fleet.staged('bad', steps + check, { 'files/a': 'bad\n', 'files/b': 'bad\n' })
      expect(await waited(fleet, bad, [1])).toMatchObject({ outcome: 'failed' })
      say('from publishing to FAILED at the canary', Date.now() - beganMs)
      for (const name of others) await held(fleet, name, /stage 2 stays shut: .*1 failed/)
      expect(await fleet.host('h1').sh('cat /etc/app/a; ls /etc/app')).toBe('good\na')
      expect((await fleet.status(fleet.host('h1')))!.why).toMatch(/^CHECK command "grep.*site.steps:4/)
      expect(await begun(fleet, bad.sequence)).toEqual(['h1'])
      // Not even for a moment: the directory would show that a name in it changed.
      expect(await lookOf(fleet, others)).toEqual(before)
      const { decision, evidence } = await rollout(fleet.host('h6'))
      expect(decision).toMatchObject({ kind: 'hold', reason: expect.stringContaining('1 failed') })
      expect(evidence).toMatchObject([{ name: 'h1', state: 'FAILED' }])
    })

    test('a part that is cut off on the way holds, and catches up', { concurrent: false }, async () => {
      const cut = ['h5', 'h6']
      const mended = await fleet.staged('mended', steps, { 'files/a': 'mended\n' })
      await began(fleet, 'h2', mended)
      await fleet.lab.cutOff(cut.map(name => fleet.host(name)))
      expect(await begun(fleet, mended.sequence)).not.toContain('h4')
      await fleet.healthy(['h1', 'h2', 'h3', 'h4'].map(name => fleet.host(name)))
      for (const name of cut)
        expect((await fleet.status(fleet.host(name)))!.held).toMatchObject({ gate: 'stage' })
      expect((await begun(fleet, mended.sequence)).toSorted()).toEqual(['h1', 'h2', 'h3', 'h4'])
      expect(await aOf(fleet, cut)).toEqual(['good', 'good'])
      await fleet.lab.heal()
      const healedMs = Date.now()
      await fleet.healthy()
      say('from the mended cable to six healthy hosts', Date.now() - healedMs)
      expect(await waited(fleet, mended)).toMatchObject({ outcome: 'converged', left: [] })
      await inOrder(fleet, mended)
    })

    test('a laptop that joins for a moment halts it; resume lets it go on', {
      concurrent: false,
    }, async () => {
      const halted = await fleet.staged('halted', steps, { 'files/a': 'halted\n' })
      await began(fleet, 'h1', halted)
      const joinedMs = Date.now()
      await fleet.run(['halt', '-m', 'customers see errors', '--yes'])
      say('the laptop was there', Date.now() - joinedMs)
      await until(
        'the canary to be healthy',
        async () => (await story(fleet, fleet.host('h1'), halted.sequence)).healthyMs,
      )
      for (const name of stages.flat().slice(1))
        await held(fleet, name, /^halted by \S+ at \S+Z: customers see errors; fleet resume lets it go on$/)
      expect(await waited(fleet, halted, [1])).toMatchObject({ outcome: 'halted' })
      expect(await begun(fleet, halted.sequence)).toEqual(['h1'])
      await fleet.run(['resume', '--yes'])
      expect(await waited(fleet, halted)).toMatchObject({ outcome: 'converged' })
      await inOrder(fleet, halted)
    })

    test('a branch that is tried on one host is there and nowhere else, and ends', {
      concurrent: false,
    }, async () => {
      const others = stages.flat().filter(each => each !== 'h5')
      const before = await lookOf(fleet, others)
      await fleet.git('checkout', '-q', '-b', 'try')
      fleet.write('files/a', 'tried\n')
      await fleet.commit('Try something')
      await fleet.git('checkout', '-q', '-')
      await fleet.run(['trial', '--on', 'h5', 'try', '--until', '1h', '--yes'])
      expect(await aOf(fleet, ['h5'])).toEqual(['tried'])
      const { hosts } = JSON.parse((await fleet.run(['peers', '--json'])).stdout) as { hosts: PeerView[] }
      expect(hosts.filter(each => each.flags.includes('TRIAL')).map(each => each.name)).toEqual(['h5'])
      await fleet.run(['trial', 'end', '--yes'])
      await fleet.repaired(fleet.host('h5'), '/etc/app/a', 'halted\n')
      expect(await lookOf(fleet, others)).toEqual(before)
    })
  })

  onLab('a host that is off during the whole rollout', () => {
    let fleet: LabFleet
    beforeAll(async () => {
      fleet = await begin('off', '2s')
    })
    afterAll(() => (process.env['FLEET_LAB_KEEP'] ? undefined : fleet?.close()))

    test('is waited for, then another one takes its place; it catches up when it is back', async () => {
      const off = fleet.host('h3')
      await off.kill()
      const beganMs = Date.now()
      const second = await fleet.staged('second', steps, { 'files/a': 'second\n' })
      const there = fleet.hosts.filter(each => each !== off)
      await fleet.healthy([fleet.host('h1'), fleet.host('h2')])
      await held(fleet, 'h4', /1 not heard of yet/)
      await fleet.healthy(there, 300_000)
      say('from publishing to five healthy hosts, the sixth being off', Date.now() - beganMs)
      await inOrder(fleet, second, ['h3'])
      const { decision, stages: [, middle] = [] } = await rollout(fleet.host('h1'))
      expect(decision.kind).toBe('go')
      expect(middle).toMatchObject({ healthy: 1, absent: 1 })
      // A laptop that comes now has not waited itself, and goes by the hosts that have begun.
      const seen = JSON.parse((await fleet.run(['rollout', '--json'])).stdout) as RolloutView
      expect(seen.stages.map(each => each.granted)).toEqual([1, 2, 3])
      expect(seen.decision.kind).toBe('go')
      expect(await waited(fleet, second)).toMatchObject({ outcome: 'converged', left: ['h3'] })
      await off.start()
      const onMs = Date.now()
      await fleet.healthy([off])
      say('from its boot to its being healthy with it', Date.now() - onMs)
      expect(await waited(fleet, second)).toMatchObject({ outcome: 'converged', left: [] })
      expect(await off.sh('cat /etc/app/a')).toBe('second')
    }, 500_000)
  })
})
