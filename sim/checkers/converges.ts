// Once the core is healed, all its hosts come to the same log, have its newest release in force and see each other so.
import type { State } from '../../signing/status.ts'
import type { Checker, Scene, Watched } from '../events.ts'

export function converges(): Checker {
  return {
    of: [],
    event: () => undefined,
    pending: scene => scene.hosts.filter(each => each.core).flatMap(host => waitsFor(host, scene)),
  }
}

function waitsFor(host: Watched, { hosts, ledger }: Scene): string[] {
  const { peer, name } = host
  if (peer === undefined) return [`${name} does not run`]
  const wanted = ledger.entries().at(-1)
  const head = peer.entries.head()
  if (wanted === undefined || head?.id !== wanted.id)
    return [`${name} is at entry ${head?.sequence ?? 'none'}; the newest is ${wanted?.sequence}`]
  const release = peer.entries.release()
  if (release === undefined) return [`${name} knows no release`]
  const { decision, inForce } = peer.agent
  if (inForce !== release.id)
    return [
      `${name} does not have release ${release.sequence} in force: ${decision?.kind === 'hold' ? `${decision.gate}, ${decision.reason}` : decision?.kind}`,
    ]
  if (!isWell(peer.reporter.state)) return [`${name} says ${peer.reporter.state}`]
  if (!host.observes) return []
  const { board } = peer.reporter
  const blind: Watched[] = []
  for (const each of hosts) {
    if (!each.core || each === host || each.peer === undefined) continue
    const row = board.row(each.key)?.status
    if (row?.entry?.[0] === release.sequence && isWell(row.state)) continue
    // Three are told of.
    if (blind.push(each) === 3) break
  }
  return blind.length === 0
    ? []
    : [
        `${name} does not see that ${blind
          .map(each => each.name)
          .slice(0, 3)
          .join(', ')} ${blind.length === 1 ? 'has' : 'have'} it`,
      ]
}

/** It is in force and its soak is over, or there was nothing to do. */
const isWell = (state: State | undefined) => state === 'HEALTHY' || state === 'NOOP'
