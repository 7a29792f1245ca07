// What a campaign must have seen sometimes, or it has tested nothing: named moments, and how each is told from what happens.
import { readOrderEnvelope } from '../node/orders.ts'
import type { StagesRecord } from '../node/stages-record.ts'
import { isRefusal } from '../signing/errors.ts'
import type { OrderKind } from '../signing/order.ts'
import type { SimEvent } from './events.ts'

type Kind = SimEvent['kind']

/** The one kind of event that may be it, and which of them. */
interface Tell {
  readonly of: Kind
  readonly fits: (event: SimEvent) => boolean
}

function on<K extends Kind>(of: K, fits: (event: Extract<SimEvent, { kind: K }>) => boolean): Tell {
  return { of, fits: fits as Tell['fits'] }
}

const logged = (
  name: string,
  fits: (data: Readonly<Record<string, unknown>>) => boolean = () => true,
): Tell => on('logged', event => event.event === name && fits(event.data))

const ran = (kind: string): Tell => on('ran', event => event.report.kind === kind)
const effect = (kind: string): Tell => on('decided', event => event.effects.some(each => each.kind === kind))
/** A host is held up by a gate. */
const held = (gate: string): Tell =>
  on('decided', ({ host }) => {
    const decision = host.peer?.agent.decision
    return decision?.kind === 'hold' && decision.gate === gate
  })

/** A host notes how far it has opened a release. */
const noted = (fits: (record: Pick<StagesRecord, 'opened' | 'halted'>) => boolean): Tell =>
  on('decided', ({ host, effects }) => {
    if (!effects.some(each => each.kind === 'keep-stages')) return false
    const record = host.peer?.agent.noted()
    return record !== undefined && fits(record)
  })

/** A host takes in an order of that kind. */
const ordered = (kind: OrderKind): Tell =>
  on('decided', event =>
    event.effects.some(each => {
      const read = each.kind === 'keep-order' ? readOrderEnvelope(each.envelope) : undefined
      return read !== undefined && !isRefusal(read) && read.opened.order.order === kind
    }),
  )

const tells = {
  'a release came into force': ran('applied'),
  'a run failed and was undone': ran('failed'),
  'a run had to wait': ran('wait'),
  'peers confirmed a run that touched the network': logged('still reached after the run'),
  'a run that cut its host off was taken back': logged('reached again since the run was taken back'),
  'a run that a crash cut short was taken back': logged('a run that was cut short is taken back'),
  'a pack came inside its entry': on('decided', event =>
    event.effects.some(each => each.kind === 'install' && each.bytes !== undefined),
  ),
  'a pack came part by part': on('decided', event =>
    event.effects.some(each => each.kind === 'install' && each.bytes === undefined),
  ),
  'a pack with a base was enough': on(
    'decided',
    ({ input }) =>
      input.kind === 'installed' &&
      input.result.kind === 'installed' &&
      input.result.release.parent !== undefined,
  ),
  'wrong bytes of a pack were found out': logged('pack refused', data => data['code'] === 'PACK_DIGEST'),
  'a fetch began anew': effect('discard'),
  'a full disk took no pack': logged('pack could not be stored'),
  'sync brought what gossip had lost': on(
    'decided',
    ({ input, effects }) =>
      input.kind === 'message' &&
      !input.gossip &&
      effects.some(each => each.kind === 'keep' && each.entry.kind === 'release'),
  ),
  'a forged entry was refused': logged('entry refused', data => /SIGN|UNKNOWN/.test(String(data['code']))),
  'true bytes in other armour were refused': logged('entry refused', data =>
    /armour/.test(String(data['detail'])),
  ),
  'two entries of one sequence: the log was frozen': logged('fork', data => data['frozen'] === true),
  'a fork was ended': on('decided', event =>
    event.effects.some(each => each.kind === 'keep' && each.entry.subject.startsWith('end of a fork')),
  ),
  'two statuses under one counter were seen': logged('two statuses under one counter'),
  'a bad status was found out': logged('bad status'),
  'a malformed message was found out': logged('malformed message'),
  'a host jumped above its own counter': on(
    'spoke',
    event => event.status.flags?.includes('CLONED') === true,
  ),
  'a floor was damaged': logged('floor damaged'),
  'the floor was lost and peers were heard': held('floor'),
  'an expired release did not start': held('refused'),
  'a failed release was not tried again': held('failed'),
  'drift was repaired': on('decided', ({ input }) => input.kind === 'host' && input.drift.repairs > 0),
  'the agent died of itself and came back': on('ended', event => event.how === 'exit'),
  'power was cut': on('ended', event => event.how === 'power'),
  'a withdrawn host was turned away': effect('recheck'),
  'a stage opened': noted(({ opened }) => opened.some(each => each.stage > 1)),
  'others stood in for absent hosts': noted(({ opened }) =>
    opened.some(
      (each, at) => each.granted === opened[at - 1]?.granted && each.stage === opened[at - 1]?.stage,
    ),
  ),
  'a release was halted by signed failures': noted(({ halted }) => halted !== undefined),
  'a stage held a host': held('stage'),
  'a release was halted by an order': held('halted'),
  'a halt was cleared': ordered('resume'),
  'stages were promoted': ordered('promote'),
  'a failed host was let try again': ordered('retry'),
  'a release went on in the order of an unfinished one': on('decided', event =>
    event.effects.some(each => each.kind === 'keep' && each.entry.release?.seed !== undefined),
  ),
  'a host had nothing to do': on('spoke', event => event.status.state === 'NOOP'),
} as const satisfies Record<string, Tell>

/** By kind of event: there are hundreds of thousands of them. */
const byKind = Map.groupBy(Object.entries<Tell>(tells), ([, { of }]) => of)

export const marks: readonly string[] = Object.keys(tells)

export class Marks {
  readonly counts: Record<string, number> = Object.fromEntries(marks.map(name => [name, 0]))

  event(event: SimEvent): void {
    for (const [name, { fits }] of byKind.get(event.kind) ?? []) if (fits(event)) this.counts[name]! += 1
  }
}
