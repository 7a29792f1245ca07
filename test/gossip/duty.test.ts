import { expect, test } from 'vitest'
import type { PeerId } from '../../gossip/carrier.ts'
import { Duty, type DutyEffect } from '../../gossip/duty.ts'
import { limits } from '../../gossip/limits.ts'
import { World } from '../../sim/world.ts'

const kinds = (effects: readonly DutyEffect[]) => effects.map(each => each.kind)

test('a host without peers is always on duty, one with peers alone in its segment too', () => {
  const duty = new Duty(() => 0.999)
  expect(kinds(duty.handle({ kind: 'wake' }, 0))).toEqual(['on', 'wake'])
  for (let at = 1; at < 20; at++) expect(kinds(duty.handle({ kind: 'wake' }, at * 60_000))).toEqual(['wake'])
  duty.handle({ kind: 'peers', count: 9 }, 1_200_000)
  expect(kinds(duty.handle({ kind: 'wake' }, 1_260_000))).toEqual(['wake'])
})

test('who hears many goes off duty, and comes back at once when it loses its peers', () => {
  const duty = new Duty(() => 0.5)
  duty.handle({ kind: 'wake' }, 0)
  duty.handle({ kind: 'peers', count: 9 }, 0)
  for (let at = 0; at < 99; at++) duty.handle({ kind: 'heard', peer: `${at}` as PeerId }, 55_000)
  expect(kinds(duty.handle({ kind: 'wake' }, 60_000))).toEqual(['off', 'wake'])
  expect(duty.handle({ kind: 'peers', count: limits.peersTooFew }, 61_000)).toEqual([])
  expect(kinds(duty.handle({ kind: 'peers', count: 0 }, 62_000))).toEqual(['on', 'wake'])
})

test('of a segment of any size about eight are on duty at one time', () => {
  const seed = Number(process.env['FLEET_SEED'] ?? Date.now() % 1e6)
  for (const size of [20, 200, 600]) {
    const world = new World(seed)
    const on = new Set<number>()
    const hosts = Array.from({ length: size }, (_, at) => new Duty(world.chance(`${at}`, 'duty')))
    const run = (at: number, effects: readonly DutyEffect[]) => {
      for (const effect of effects)
        if (effect.kind === 'wake')
          world.after(effect.atMs - world.nowMs, () => {
            // What it heard of the others in the last seconds of its slot.
            if (on.has(at))
              for (const other of on)
                if (other !== at)
                  hosts[at]?.handle({ kind: 'heard', peer: `${other}` as PeerId }, world.nowMs)
            run(at, hosts[at]?.handle({ kind: 'wake' }, world.nowMs) ?? [])
          })
        else if (effect.kind === 'on') on.add(at)
        else on.delete(at)
    }
    for (const [at, duty] of hosts.entries()) {
      duty.handle({ kind: 'peers', count: limits.connectionsWanted }, 0)
      run(at, duty.handle({ kind: 'wake' }, 0))
    }
    const samples: number[] = []
    for (let ms = 600_000; ms < 7_200_000; ms += 10_000) world.after(ms, () => samples.push(on.size))
    while (world.nowMs < 7_200_000) world.step()
    const mean = samples.reduce((a, b) => a + b, 0) / samples.length
    expect(mean, `seed ${seed}, ${size} hosts`).toBeGreaterThan(limits.onDuty / 2)
    expect(mean, `seed ${seed}, ${size} hosts`).toBeLessThan(limits.onDuty * 2)
  }
})
