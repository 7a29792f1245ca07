// A bad release breaks no more hosts than its risk allows, and one step: the last part of a stage that was let start may turn out
// worse than it was bound to, the hosts before it may not. Where an operator opens stages by an order, that is the operator's.
import { stageOf } from '../../node/turns.ts'
import { hex } from '../../signing/bytes.ts'
import type { Checker } from '../events.ts'
import { Rollouts } from '../rollouts.ts'

/** Below so many hosts the stages that fleet makes itself double. */
const doubledBelow = 40

export function blastRadius(): Checker {
  /** Release -> hosts that say that it failed on them. */
  const broken = new Map<string, Set<string>>()
  const rollouts = new Rollouts()
  return {
    of: ['decided', 'ended', 'spoke'],
    event(event, scene) {
      const { ledger } = scene
      rollouts.event(event, scene)
      if (event.kind !== 'spoke' || event.status.state !== 'FAILED' || event.status.entry === undefined)
        return undefined
      const { host, status } = event
      const id = hex(event.status.entry[1])
      const release = host.peer?.entries.byId(id)?.release
      const { promoted = 0 } = host.peer?.orders.of(id) ?? {}
      if (!host.honest || release === undefined || promoted > 0 || (status.attempt ?? 1) > 1) return undefined
      const failed = broken.get(id) ?? new Set()
      broken.set(id, failed.add(host.key))
      const signed = ledger.byId(id)
      // As the operator meant it, whatever was signed.
      const risk = signed?.risk ?? release.risk
      const hosts = release.stages.at(-1) ?? 0
      if (risk >= 10_000) return undefined
      const isAuto = signed?.auto === true
      const stages = isAuto && hosts < doubledBelow ? doubled(hosts) : release.stages
      const turns = rollouts.line(host, id)
      const places = [...failed].flatMap(each => turns?.placeOf(each) ?? []).sort((a, b) => a - b)
      const allowed = Math.ceil((risk * hosts) / 10_000)
      // The first that is one too many: its stage had begun when that was not known yet.
      const last = places[allowed]
      if (last === undefined) return undefined
      const at = stageOf(last, stages) - 1
      const step = (stages[at] ?? hosts) - (stages[at - 1] ?? 0)
      const most = allowed + step
      return failed.size <= most
        ? undefined
        : `release ${status.entry?.[0]} has failed on ${failed.size} of ${hosts} hosts; by stages ${stages.join(' ')} no more than ${most} were to break`
    },
  }
}

/** 1 2 4 8 … hosts. */
function doubled(hosts: number): readonly number[] {
  const stages: number[] = []
  for (let upTo = 1; upTo < hosts; upTo *= 2) stages.push(upTo)
  return [...stages, hosts]
}
