// What a campaign must have seen sometimes, or it has tested nothing: named moments, and how each is told from what happens.
import type { SimEvent } from './events.ts'

type Tell = (event: SimEvent) => boolean

const logged =
  (name: string, fits: (data: Readonly<Record<string, unknown>>) => boolean = () => true): Tell =>
  event =>
    event.kind === 'logged' && event.event === name && fits(event.data)

const refusedAs = (code: string) => logged('entry refused', data => data['code'] === code)
const ran =
  (kind: string): Tell =>
  event =>
    event.kind === 'ran' && event.report.kind === kind
const effect =
  (kind: string): Tell =>
  event =>
    event.kind === 'decided' && event.effects.some(each => each.kind === kind)

const tells = {
  'a release came into force': ran('applied'),
  'a run failed and was undone': ran('failed'),
  'a run had to wait': ran('wait'),
  'a run that a crash cut short was taken back': logged('a run that was cut short is taken back'),
  'a pack came inside its entry': event =>
    event.kind === 'decided' &&
    event.effects.some(each => each.kind === 'install' && each.bytes !== undefined),
  'a pack came part by part': event =>
    event.kind === 'decided' &&
    event.effects.some(each => each.kind === 'install' && each.bytes === undefined),
  'a pack with a base was enough': event =>
    event.kind === 'decided' &&
    event.input.kind === 'installed' &&
    event.input.result.kind === 'installed' &&
    event.input.result.release.parent !== undefined,
  'wrong bytes of a pack were found out': logged('pack refused', data => data['code'] === 'PACK_DIGEST'),
  'a fetch began anew': effect('discard'),
  'a full disk took no pack': logged('pack could not be stored'),
  'sync brought what gossip had lost': event =>
    event.kind === 'decided' &&
    event.input.kind === 'message' &&
    !event.input.gossip &&
    event.effects.some(each => each.kind === 'keep' && each.entry.kind === 'release'),
  'a forged entry was refused': event =>
    event.kind === 'logged' &&
    event.event === 'entry refused' &&
    /SIGN|UNKNOWN/.test(String(event.data['code'])),
  'true bytes in other armour were refused': refusedAs('ARMOUR'),
  'two entries of one sequence: the log was frozen': logged('fork', data => data['frozen'] === true),
  'a fork was ended': event =>
    event.kind === 'decided' &&
    event.effects.some(each => each.kind === 'keep' && each.entry.subject.startsWith('end of a fork')),
  'two statuses under one counter were seen': logged('two statuses under one counter'),
  'a bad status was found out': logged('bad status'),
  'a malformed message was found out': logged('malformed message'),
  'a host jumped above its own counter': event =>
    event.kind === 'spoke' && event.status.flags?.includes('CLONED') === true,
  'a floor was damaged': logged('floor damaged'),
  'the floor was lost and peers were heard': event =>
    event.kind === 'decided' &&
    event.host.peer?.agent.decision?.kind === 'hold' &&
    event.host.peer.agent.decision.gate === 'floor',
  'an expired release did not start': event =>
    event.kind === 'decided' &&
    event.host.peer?.agent.decision?.kind === 'hold' &&
    event.host.peer.agent.decision.gate === 'refused',
  'a failed release was not tried again': event =>
    event.kind === 'decided' &&
    event.host.peer?.agent.decision?.kind === 'hold' &&
    event.host.peer.agent.decision.gate === 'failed',
  'drift was repaired': event =>
    event.kind === 'decided' && event.input.kind === 'host' && event.input.drift.repairs > 0,
  'the agent died of itself and came back': event => event.kind === 'ended' && event.how === 'exit',
  'power was cut': event => event.kind === 'ended' && event.how === 'power',
  'a withdrawn host was turned away': effect('recheck'),
} as const satisfies Record<string, Tell>

export const marks: readonly string[] = Object.keys(tells)

export class Marks {
  readonly counts: Record<string, number> = Object.fromEntries(marks.map(name => [name, 0]))

  event(event: SimEvent): void {
    for (const [name, tell] of Object.entries(tells)) if (tell(event)) this.counts[name]! += 1
  }
}
