// Core: `fleet plan --on`: an operator's laptop asks a host that it is connected to for the host's own plan of a commit, by a signed
// order that nobody keeps, and the host answers that laptop alone. Both sides; what the plan is, the host engine says.
import type { PeerId } from '../gossip/carrier.ts'
import { limits } from '../gossip/limits.ts'
import type { Message, PlanMessage } from '../gossip/message.ts'
import { hex, unhex } from '../signing/bytes.ts'
import { timeMs } from '../signing/fields.ts'
import type { Admissions } from './admission.ts'
import type { Branch } from './branch-supply.ts'
import type { Orders } from './orders.ts'
import { planMessage, type ToldPlan } from './told-plan.ts'

export type PlansInput =
  /** Ask a host; the envelope is that of an order trial of mode `plan`, whose id is given. */
  | {
      readonly kind: 'ask-plan'
      readonly to: PeerId
      readonly envelope: Uint8Array
      readonly id: string
    }
  /** What the host engine says, or why it says nothing. */
  | { readonly kind: 'planned'; readonly id: string; readonly plan: ToldPlan | string }

/** Look at what a held commit would do here. Answered by `planned`. */
export interface PlansEffect {
  readonly kind: 'plan'
  readonly id: string
  readonly commit: string
}

type Answered = PlansEffect | { readonly kind: 'send'; readonly to: PeerId; readonly message: Message }

export interface PlansOptions {
  readonly orders: Orders
  readonly admissions: Admissions
  /** This host's key in hex. */
  readonly self: string
  readonly holds: (commit: string) => boolean
  readonly refusalOf: (commit: string) => string | undefined
}

interface Asked {
  readonly id: string
  readonly from: PeerId
  readonly commit: string
  readonly pack: { readonly digest: string; readonly size: number }
  readonly endMs: number
  planning: boolean
}

/** ms that a host goes on fetching for a plan. */
const fetchMs = 120_000

export class Plans {
  readonly #options: PlansOptions
  #asked: Asked[] = []
  /** The laptop's side: what was asked, and what came. */
  readonly #answers = new Map<string, PlanMessage | undefined>()

  constructor(options: PlansOptions) {
    this.#options = options
  }

  /** Commits that must stay here. */
  needs(): readonly string[] {
    return this.#asked.map(each => each.commit)
  }
  wanted(): readonly Branch[] {
    return this.#asked.map(({ commit, pack, from }) => ({ commit, pack, from }))
  }
  wakeMs(): number | undefined {
    const times = this.#asked.filter(each => !each.planning).map(each => each.endMs)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** A peer asks for a plan. Only a laptop that an operator delegates may, and for each plan an operator signs. */
  take(from: PeerId, envelope: Uint8Array, nowMs: number, wallMs: number): readonly Answered[] {
    if (!this.#options.admissions.isLaptop(from, wallMs)) return []
    const checked = this.#options.orders.check(envelope)
    // Whoever made it knows that it is not good.
    if ('wrong' in checked) return []
    const { id, order } = checked
    if (this.#asked.some(each => each.id === id)) return []
    if (order.order !== 'trial' || order.mode !== 'plan')
      return refusal(from, id, 'the order does not ask for a plan')
    if (!order.hosts.includes(this.#options.self)) return refusal(from, id, 'the order names other hosts')
    if (wallMs >= timeMs(order.until))
      return refusal(from, id, `by the clock here the question ended at ${order.until}`)
    if (this.#asked.length >= limits.plansAtOnce)
      return refusal(from, id, 'others are asking, too; ask again')
    const { commit, pack } = order
    this.#asked.push({ id, from, commit, pack, endMs: nowMs + fetchMs, planning: false })
    return []
  }

  down(peer: PeerId): void {
    this.#asked = this.#asked.filter(each => each.from !== peer)
  }

  /** What can be planned now, and what has waited for too long. */
  pursue(nowMs: number): readonly Answered[] {
    const { holds, refusalOf } = this.#options
    const out: Answered[] = []
    for (const each of [...this.#asked]) {
      if (each.planning) continue
      const refused = refusalOf(each.commit)
      if (holds(each.commit)) {
        each.planning = true
        out.push({ kind: 'plan', id: each.id, commit: each.commit })
      } else if (refused !== undefined) out.push(...this.#end(each, refused))
      else if (nowMs >= each.endMs) out.push(...this.#end(each, 'its pack did not arrive in time'))
    }
    return out
  }

  planned(id: string, plan: ToldPlan | string): readonly Answered[] {
    const asked = this.#asked.find(each => each.id === id)
    if (asked === undefined) return []
    if (typeof plan === 'string') return this.#end(asked, plan)
    this.#asked = this.#asked.filter(each => each !== asked)
    return [{ kind: 'send', to: asked.from, message: planMessage(idBytes(id), plan) }]
  }

  #end(asked: Asked, why: string): readonly Answered[] {
    this.#asked = this.#asked.filter(each => each !== asked)
    return refusal(asked.from, asked.id, why)
  }

  /** The laptop's side. */
  ask(to: PeerId, envelope: Uint8Array, id: string): readonly Answered[] {
    this.#answers.set(id, undefined)
    return [{ kind: 'send', to, message: { t: 'want-plan', order: envelope } }]
  }

  /** What nobody asked for is not kept. */
  answered(message: PlanMessage): void {
    const id = hex(message.order)
    if (this.#answers.has(id)) this.#answers.set(id, message)
  }

  answerOf(id: string): PlanMessage | undefined {
    return this.#answers.get(id)
  }
}

const idBytes = (id: string) => unhex(id, 32) as Uint8Array

function refusal(to: PeerId, id: string, why: string): readonly Answered[] {
  const nothing = { kept: 0, changes: [], acts: [], impossible: [], left: 0 }
  const words = why.slice(0, limits.planCellChars)
  return [{ kind: 'send', to, message: { t: 'plan', order: idBytes(id), ...nothing, why: words } }]
}
