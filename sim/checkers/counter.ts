// A host's own counter never repeats: not after a crash, not after a restart. It makes no status under a number that has left
// it before, and none leaves out of order. (A disk that is older than the last status, and a key on two machines, are what the
// counter cannot know before it hears of it.)
import type { StatusPair } from '../../gossip/message.ts'
import { hex } from '../../signing/bytes.ts'
import type { Checker, Watched } from '../events.ts'

export function counter(): Checker {
  /** By name and disk: the last that left, and under which signature. */
  const last = new Map<string, { readonly n: number; readonly signature: string }>()
  /** What each was seen to hold of itself last: most decisions change nothing of it. */
  const seen = new WeakMap<Watched, StatusPair>()
  const found = (host: Watched, n: number, signature: string): string | undefined => {
    const before = last.get(`${host.name} ${host.disks}`)
    if (before === undefined || n > before.n || signature === before.signature) return undefined
    return `says ${n} after ${before.n}`
  }
  return {
    of: ['spoke', 'decided'],
    event(event, { ledger }) {
      if ((event.kind !== 'decided' && event.kind !== 'spoke') || !event.host.honest || event.host.cloned)
        return undefined
      const { host } = event
      if (event.kind === 'decided') {
        const row = host.peer?.reporter.board.row(host.key)
        if (row === undefined || seen.get(host) === row.pair) return undefined
        seen.set(host, row.pair)
        if (row.status.n > (last.get(`${host.name} ${host.disks}`)?.n ?? 0)) return undefined
        const signature = hex(row.pair[1])
        // What it said in an earlier life comes back to it from others.
        return ledger.said(signature) === undefined ? found(host, row.status.n, signature) : undefined
      }
      const wrong = found(host, event.status.n, '')
      last.set(`${host.name} ${host.disks}`, { n: event.status.n, signature: hex(event.pair[1]) })
      return wrong
    },
  }
}
