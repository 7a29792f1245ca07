// `fleet plan --on`: joins the fleet, asks one host for its own plan of a revision, waits for the answer, leaves.
import type { PeerId } from '../gossip/carrier.ts'
import { readPlanMessage, type ToldPlan } from '../node/told-plan.ts'
import { hex } from '../signing/bytes.ts'
import { encode } from '../signing/cbor.ts'
import type { EntryId, FleetId } from '../signing/entry.ts'
import { timeOf } from '../signing/fields.ts'
import { peerIdOf } from '../signing/keys.ts'
import { orderIdOf, orderMap, sealOrder, writeOrder } from '../signing/order.ts'
import { signSshsig } from '../signing/sshsig.ts'
import { offerBranch } from './branch.ts'
import { CliError, exits, type Io, numberOption, type Options } from './command.ts'
import { openLaptop } from './laptop.ts'
import { authorOf, operatorOf } from './operator.ts'
import { findProject, readTree, trustOf } from './project.ts'
import { duration } from './render.ts'

/** ms for the host to fetch the pack and look at itself. */
const answerMs = 120_000
/** ms that the question is good for, by the host's clock. */
const questionMs = 600_000

/** Fails with the reason when there is no plan. `rev` undefined: the files as they are now. */
export async function askPlan(
  name: string,
  rev: string | undefined,
  options: Options,
  io: Io,
): Promise<{ readonly commit: string; readonly plan: ToldPlan }> {
  const project = findProject(io.cwd)
  const tree = await readTree(project, rev === undefined ? 'worktree' : { rev })
  const trust = trustOf(await readTree(project, { rev: 'HEAD' }))
  const signer = await operatorOf(project, trust, options, io, 'fleet')
  const waitMs = (numberOption(options, 'wait', 1, 3_600) ?? 10) * 1000
  const host = trust.roster.find(each => each.name === name)
  if (host === undefined)
    throw new CliError(`there is no host '${name}' on the roster`, {
      exit: exits.badInput,
      hint: 'trust/hosts lists them; fleet enroll adds one',
    })
  const laptop = await openLaptop({ project, trust, signer, io, near: host.addresses })
  try {
    const { peer } = laptop
    const to = peerIdOf(host.key) as string as PeerId
    // Only the host itself can say it, and only to whom it is connected.
    if (!(await laptop.until(waitMs, () => laptop.reached().includes(to))))
      throw new CliError(`${name} was not reached within ${duration(waitMs)}`, {
        hint: `this machine must reach it directly (trust/hosts: ${host.addresses.join(', ') || 'it has no addr='}); on the host itself: fleet plan`,
      })
    await laptop.catchUp(waitMs)
    const entry = peer.entries.head()
    if (entry === undefined) throw new CliError('the log of the fleet has not arrived')
    const { commit, pack } = await offerBranch(laptop, tree, authorOf(project.root, io), `plan for ${name}`)
    const now = Date.now()
    const payload = writeOrder({
      ...{ fleet: hex(peer.entries.fleet) as FleetId, entry: entry.id as EntryId, issued: timeOf(now) },
      ...{
        order: 'trial',
        commit,
        pack,
        hosts: [hex(host.key)],
        until: timeOf(now + questionMs),
        mode: 'plan',
      },
    })
    const id = orderIdOf(payload)
    const order = sealOrder(payload, signSshsig(signer, 'fleet', payload))
    io.progress(`asking ${name} (${pack.size} bytes to fetch)`)
    peer.driver.feed({ kind: 'ask-plan', to, envelope: encode(orderMap({ order, cosigs: [] })), id })
    const answered = () =>
      peer.agent.sideline.plans.answerOf(id) !== undefined || !laptop.reached().includes(to)
    await laptop.until(answerMs, answered)
    const message = peer.agent.sideline.plans.answerOf(id)
    if (message === undefined)
      throw new CliError(`${name} has not answered`, {
        hint: 'an agent of an earlier version does not know the question: fleet peers; its log says more',
      })
    const why = message.why?.replace(/\p{Cc}/gu, ' ')
    if (why !== undefined) throw new CliError(`${name} has no plan: ${why}`)
    const plan = readPlanMessage(message)
    if (plan === undefined) throw new CliError(`${name} answered in a form that this version does not know`)
    return { commit, plan }
  } finally {
    await laptop.close()
  }
}
