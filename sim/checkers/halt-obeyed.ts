// No host starts a release that it knows to be halted: by an operator whose order it holds, or by signed failures that it has heard
// of for longer than it takes to look again.
import { isRefusal } from '../../signing/errors.ts'
import type { OrderId } from '../../signing/order.ts'
import type { Checker, Scene, SimEvent, Watched } from '../events.ts'
import { Rollouts } from '../rollouts.ts'

/** ms that news are gathered before a host asks the gate again (node/stages.ts), and a tick. */
const settleMs = (hosts: number) => Math.min(10_000, Math.max(200, 5 * hosts)) + 1_000

export function haltObeyed(): Checker {
  const rollouts = new Rollouts()
  /** By host: the halts and resumes that it has taken in and may not have lost. */
  const held = new Map<string, Map<OrderId, Uint8Array>>()
  return {
    of: ['decided', 'ended', 'started', 'spoke'],
    event(event, scene) {
      rollouts.event(event, scene)
      if (event.kind === 'started') forgetLost(event.host)
      if (event.kind !== 'decided') return undefined
      const { host, effects } = event
      const orders = held.get(host.name) ?? new Map<OrderId, Uint8Array>()
      held.set(host.name, orders)
      for (const effect of effects) {
        if (effect.kind === 'keep-order') orders.set(effect.id, effect.envelope)
        if (effect.kind === 'drop-orders') for (const id of effect.ids) orders.delete(id)
      }
      rollouts.noted(host)
      return host.honest && !host.cloned ? wrong(event, orders, scene) : undefined
    },
  }

  /** What a power cut took is not there at the next start. */
  function forgetLost({ name, peer }: Watched): void {
    const orders = held.get(name)
    for (const id of orders?.keys() ?? []) if (peer?.orders.has(id) !== true) orders?.delete(id)
  }

  function wrong(
    { host, effects }: Extract<SimEvent, { kind: 'decided' }>,
    orders: ReadonlyMap<OrderId, Uint8Array>,
    scene: Scene,
  ): string | undefined {
    for (const effect of effects) {
      if (effect.kind !== 'apply') continue
      const { id, sequence } = effect.entry
      if (liveHalts(orders, id, scene) > 0) return `starts release ${sequence}, which an operator has halted`
      const { peer } = host
      if (peer === undefined || id !== peer.entries.release()?.id) continue
      const { promoted, attemptOf } = peer.orders.of(id)
      // Asked for by the threshold, or of this very host.
      if (promoted > 0 || attemptOf(host.key) > 1 || rollouts.wasHealthy(host, effect.entry.release?.content))
        continue
      if (rollouts.isHalted(host, id)) return `starts release ${sequence}, which it has noted to be halted`
      const standings = host.observes
        ? rollouts.standings(host, id, rollouts.opened(host, id), scene)
        : undefined
      const untilMs = scene.nowMs() - settleMs(peer.entries.roster().length)
      if (standings?.isHalted(untilMs))
        return `starts release ${sequence} though it has heard of too many failures`
    }
    return undefined
  }
}

/** How many halts of an entry no resume has cleared. */
function liveHalts(orders: ReadonlyMap<OrderId, Uint8Array>, entry: string, { memory }: Scene): number {
  const halts = new Set<OrderId>()
  const cleared = new Set<OrderId>()
  for (const envelope of orders.values()) {
    const read = memory.readOrder(envelope)
    if (isRefusal(read) || read.opened.order.entry !== entry) continue
    const { id, order } = read.opened
    if (order.order === 'halt') halts.add(id)
    if (order.order === 'resume') for (const each of order.halts) cleared.add(each)
  }
  return [...halts].filter(each => !cleared.has(each)).length
}
