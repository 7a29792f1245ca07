// `fleet peers`: the fleet as this host sees it, from the last status of each.
import type { PeerView } from '../../node/control.ts'
import { ask, stateOption } from '../client.ts'
import type { CommandSpec } from '../command.ts'
import { type Colour, count, duration, paint, table } from '../render.ts'

export const spec: CommandSpec = {
  options: [stateOption],
  examples: ['fleet peers', 'fleet peers --json'],
  json: true,
  async run(_args, options, io) {
    const peers = await ask<readonly PeerView[]>(options, io, { ask: 'peers' })
    return { json: peers, text: () => render(peers, Date.now(), io.columns, io.colour) }
  },
}

const colours: Record<string, Colour> = { HEALTHY: 'green', APPLIED: 'green', FAILED: 'red', WAIT: 'yellow' }

function render(peers: readonly PeerView[], nowMs: number, columns: number, colour: boolean): string {
  if (peers.length === 0) return 'the roster is empty, or has not arrived yet'
  const rows = peers.map(each => [
    each.you ? `${each.name} (you)` : each.name,
    each.release === null ? '-' : String(each.release),
    paint(each.state, colours[each.state] ?? 'dim', colour),
    each.notKept === 0 ? '-' : paint(String(each.notKept), 'red', colour),
    each.repairs === 0 ? '-' : String(each.repairs),
    each.heardMs === null ? 'never' : each.you ? 'now' : duration(nowMs - each.heardMs),
    [
      ...each.flags,
      ...(each.refused ? [`refused ${each.refused.sequence}: ${each.refused.code}`] : []),
      each.why ?? '',
    ]
      .filter(text => text !== '' && text !== 'REFUSED')
      .join(' '),
  ])
  const newest = Math.max(...peers.map(each => each.release ?? 0))
  const there = peers.filter(
    each => each.release === newest && ['APPLIED', 'HEALTHY'].includes(each.state),
  ).length
  const sum =
    newest === 0 ? 'no release yet' : `release ${newest}: on ${there} of ${count(peers.length, 'host')}`
  return `${table(['HOST', 'RELEASE', 'STATE', 'NOT KEPT', 'REPAIRS', 'HEARD', 'NOTES'], rows, columns)}\n${sum}`
}
