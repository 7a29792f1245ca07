// An honest host passes on nothing but what somebody signed who may: entries of operators, statuses of their hosts.
import { compare, hex } from '../../signing/bytes.ts'
import { decodeEnvelope, openEntry } from '../../signing/entry.ts'
import { isRefusal } from '../../signing/errors.ts'
import type { Checker, Scene, Watched } from '../events.ts'

export function relaysValid(): Checker {
  /** Envelopes that were found good; each is asked about many times. */
  const good = new WeakSet<Uint8Array>()
  /** Bodies of statuses, under the signatures with which they were found good. */
  const said = new WeakMap<Uint8Array, Uint8Array>()
  /** By key. */
  let speakers: ReadonlyMap<string, Watched> | undefined
  const wrong = (bytes: Uint8Array, { ledger, memory, hosts }: Scene, self: Watched): string | undefined => {
    const message = memory.codec.decode(bytes)
    if (message.t === 'malformed') return `bytes that are no message (${message.reason})`
    const entries = message.t === 'entry' ? [message.entry] : message.t === 'entries' ? message.entries : []
    for (const each of entries) {
      if (good.has(each)) continue
      const envelope = decodeEnvelope(each)
      const opened = isRefusal(envelope) ? envelope : openEntry(envelope.tag)
      if (isRefusal(opened)) return `an entry that cannot be opened (${opened.code})`
      const signed = ledger.byId(opened.id)
      if (signed === undefined) return `the entry ${opened.id}, which nobody signed`
      const known = decodeEnvelope(signed.envelope)
      if (isRefusal(envelope) || isRefusal(known) || compare(envelope.tag, known.tag) !== 0)
        return `the entry ${opened.id} under a signature that nobody gave`
      good.add(each)
    }
    if (message.t === 'statuses')
      for (const pair of message.statuses) {
        if (said.get(pair[0]) === pair[1]) continue
        const read = memory.readStatus(pair)
        if (isRefusal(read)) return `a status that is not good (${read.code})`
        // Whoever is honest said it, or nobody did. Of its own it is noted when the first leaves it.
        const { n } = read.status
        speakers ??= new Map(hosts.map(each => [each.key, each]))
        const speaker = speakers.get(read.by)
        if (speaker === self || !speaker?.honest || speaker.cloned) continue
        if (ledger.said(hex(read.signature)) === undefined)
          return `the status ${n} of ${speaker.name}, which it never said`
        said.set(pair[0], pair[1])
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
          const found = wrong(effect.bytes, scene, event.host)
          if (found !== undefined) return `sends ${found}`
        }
        if (effect.kind === 'verdict' && effect.verdict === 'accept' && input.kind === 'message') {
          const found = wrong(input.bytes, scene, event.host)
          if (found !== undefined) return `passes on ${found}`
        }
      }
      return undefined
    },
  }
}
