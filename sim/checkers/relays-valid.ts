// An honest host passes on nothing but what somebody signed who may: entries of operators, statuses of their hosts.
import { hex } from '../../signing/bytes.ts'
import { decodeEnvelope, openEntry } from '../../signing/entry.ts'
import { isRefusal } from '../../signing/errors.ts'
import type { Checker, Scene } from '../events.ts'

export function relaysValid(): Checker {
  /** Envelopes that were found good; each is asked about many times. */
  const good = new Set<string>()
  const wrong = (bytes: Uint8Array, { ledger, memory }: Scene): string | undefined => {
    const message = memory.codec.decode(bytes)
    if (message.t === 'malformed') return `bytes that are no message (${message.reason})`
    const entries = message.t === 'entry' ? [message.entry] : message.t === 'entries' ? message.entries : []
    for (const each of entries) {
      const key = `${each.length} ${hex(each.subarray(-48))}`
      if (good.has(key)) continue
      const envelope = decodeEnvelope(each)
      const opened = isRefusal(envelope) ? envelope : openEntry(envelope.tag)
      if (isRefusal(opened)) return `an entry that cannot be opened (${opened.code})`
      if (ledger.byId(opened.id) === undefined) return `the entry ${opened.id}, which nobody signed`
      good.add(key)
    }
    if (message.t === 'statuses')
      for (const pair of message.statuses) {
        const read = memory.readStatus(pair)
        if (isRefusal(read)) return `a status that is not good (${read.code})`
      }
    return undefined
  }
  return {
    of: ['decided'],
    event(event, scene) {
      if (event.kind !== 'decided' || !event.host.honest) return undefined
      const { input, effects } = event
      for (const effect of effects) {
        if (effect.kind === 'send') {
          const found = wrong(effect.bytes, scene)
          if (found !== undefined) return `sends ${found}`
        }
        if (effect.kind === 'verdict' && effect.verdict === 'accept' && input.kind === 'message') {
          const found = wrong(input.bytes, scene)
          if (found !== undefined) return `passes on ${found}`
        }
      }
      return undefined
    },
  }
}
