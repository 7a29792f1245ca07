// A host says no two things under one number, and none below what others have heard of it: not after a crash, not after a
// restart. What nobody heard does not count: a host that could not make its reservation durable dies before it sends. (A disk
// that is older than the last status, and a key on two machines, are what the counter cannot know before it hears of it.)
import { hex } from '../../signing/bytes.ts'
import type { Checker } from '../events.ts'

interface Said {
  /** Whose, with the disk it was said from. */
  readonly of: string
  readonly n: number
  readonly signature: string
}

export function counter(): Checker {
  /** By signature. */
  const all = new Map<string, Said>()
  /** By whom and number: the last that was said under it. */
  const byNumber = new Map<string, Said>()
  /** Of those heard by others, the highest number. */
  const heard = new Map<string, number>()
  /** By whom and number, those that were said before another took their number. */
  const repeated = new Set<string>()

  const hear = (signature: string): string | undefined => {
    const said = all.get(signature)
    if (said === undefined) return undefined
    heard.set(said.of, Math.max(heard.get(said.of) ?? 0, said.n))
    return repeated.has(signature) ? `said ${said.n} twice, and both were sent` : undefined
  }
  return {
    event(event) {
      if (event.kind === 'decided') {
        for (const effect of event.effects) {
          if (effect.kind !== 'board' || effect.host === event.host.key) continue
          const wrong = hear(hex(effect.pair[1]))
          if (wrong !== undefined) return `${effect.host.slice(0, 8)} ${wrong}`
        }
        return undefined
      }
      if (event.kind !== 'spoke' || !event.host.honest || event.host.cloned) return undefined
      const of = `${event.host.name} ${event.host.disks}`
      const signature = hex(event.pair[1])
      if (all.has(signature)) return undefined
      const said = { of, n: event.status.n, signature }
      all.set(signature, said)
      const before = byNumber.get(`${of} ${said.n}`)
      if (before !== undefined) repeated.add(before.signature)
      byNumber.set(`${of} ${said.n}`, said)
      const known = heard.get(of) ?? 0
      return said.n > known ? undefined : `says ${said.n} after others heard ${known}`
    },
  }
}
