// No host starts a release before its own evidence allowed it: each opening that it notes is held against all that it had heard
// by then, and each run against what it has opened.
import { keysOf } from '../../node/hearing.ts'
import type { Opening } from '../../node/standing.ts'
import { heartbeatMs } from '../../node/status.ts'
import { hex } from '../../signing/bytes.ts'
import { epochMs } from '../clock.ts'
import type { Checker, Scene, SimEvent, Watched } from '../events.ts'
import { Rollouts } from '../rollouts.ts'

type Decided = Extract<SimEvent, { kind: 'decided' }>

export function stageOrder(): Checker {
  const rollouts = new Rollouts()
  return {
    of: ['decided', 'ended', 'spoke'],
    event(event, scene) {
      rollouts.event(event, scene)
      if (event.kind !== 'decided' || !isJudged(event.host)) return undefined
      return wrongOpening(event, scene) ?? wrongRun(event, scene)
    },
  }

  function wrongOpening({ host }: Decided, scene: Scene): string | undefined {
    for (const { entry, before, opening } of rollouts.noted(host)) {
      const wrong = rollouts.standings(host, entry, before, scene)?.wrongWith(opening)
      if (wrong !== undefined) return wrong
      if (isAlone(host, opening, entry, scene.nowMs()))
        return `stage ${opening.stage} opened though it hears of too few others`
    }
    return undefined
  }

  function wrongRun({ host, effects }: Decided, scene: Scene): string | undefined {
    for (const effect of effects) {
      if (effect.kind !== 'apply' || effect.entry.id !== host.peer?.entries.release()?.id) continue
      const { id, sequence, release } = effect.entry
      const orders = host.peer.orders.of(id)
      if (orders.attemptOf(host.key) > 1) continue
      if (rollouts.wasHealthy(host, release?.content)) continue
      const opened = rollouts.opened(host, id)
      const standings = rollouts.standings(host, id, opened, scene)
      const turns = rollouts.line(host, id)
      const place = turns?.placeOf(host.key)
      if (turns === undefined || standings === undefined || place === undefined)
        return `runs release ${sequence} before it knows whom that concerns`
      const open = Math.max(0, ...opened.map(each => each.upTo))
      if (open <= Math.min(place, turns.counted - 1))
        return `runs release ${sequence} at place ${place}; it has opened ${open}`
      const wrong = orders.promoted > 0 ? undefined : standings.wrongToBegin(place)
      if (wrong !== undefined) return `${wrong} (release ${sequence})`
    }
    return undefined
  }
}

/** Of the others nobody hears all, or nobody is held to anything. */
const isJudged = ({ honest, cloned, observes, peer }: Watched) =>
  honest && !cloned && observes && peer !== undefined

/** It hears of fewer others than it takes to be sure that it is not cut off. */
function isAlone({ peer, key }: Watched, { stage }: Opening, entry: string, nowMs: number): boolean {
  const risk = peer?.entries.byId(entry)?.release?.risk ?? 0
  if (peer === undefined || risk >= 10_000 || stage <= peer.orders.of(entry).promoted) return false
  const { entries, agent, reporter } = peer
  const enrolled = entries.roster().length
  const sinceMs = epochMs + nowMs - 2 * heartbeatMs(enrolled)
  const heard = new Set(keysOf(agent.neighbours.heard()))
  for (const { status, newsMs } of reporter.board.rows())
    if (newsMs !== undefined && newsMs >= sinceMs) heard.add(hex(status.host))
  const others = [...heard].filter(each => each !== key && entries.host(each) !== undefined).length
  const needed =
    enrolled <= 7 ? Math.ceil((enrolled - 1) / 2) : Math.max(3, Math.min(Math.ceil(enrolled / 20), 50))
  return others < needed
}
