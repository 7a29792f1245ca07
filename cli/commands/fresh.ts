// `fleet fresh`: the newest release may start for longer than its entry says.
import { resolve } from 'node:path'
import type { LogView, StatusView } from '../../node/control.ts'
import { encode } from '../../signing/cbor.ts'
import type { EntryId, FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { orderMap, sealOrder, writeOrder } from '../../signing/order.ts'
import { seedSigner, signSshsig } from '../../signing/sshsig.ts'
import { ask, stateOption } from '../client.ts'
import {
  type Answer,
  CliError,
  type CommandSpec,
  exits,
  type Io,
  type Options,
  textOption,
} from '../command.ts'
import { confirm, needAnswer } from '../confirm.ts'
import { readKey } from '../operator.ts'
import { giveOrders, heldText, orderOptions } from '../order.ts'
import { period } from './pause.ts'

export const spec: CommandSpec = {
  about:
    'Signs an order that extends until when hosts may begin with the newest release; STALE goes. An entry expires so that a host which was away for long starts nothing that nobody stands behind any more. One operator is enough. A key of the role fresh (namespaces="fleet-fresh" in trust/operators) can do this and nothing else, not even join from a laptop: with --agent it speaks through the agent of the machine that it lies on, as from a timer.',
  options: [
    ['--for <time>', 'from now on: 12h, 7d (at most 30d)'],
    ['--until <time>', 'such as 2026-12-31 or 2026-12-31T12:00:00Z'],
    ['--agent', 'hand it to the agent of this machine; needs --key, and no repository'],
    stateOption,
    ...orderOptions,
  ],
  examples: [
    'fleet fresh --for 30d',
    'fleet fresh --until 2026-12-31 --yes',
    'fleet fresh --for 7d --agent --key /etc/fleet-fresh/key --yes',
  ],
  json: true,
  async run(_args, options, io) {
    const until = untilOf(textOption(options, 'for'), textOption(options, 'until'))
    if (options['agent'] === true) return await byAgent(until, options, io)
    const given = await giveOrders('fresh', options, io, ({ release, orders }) => {
      const before = Math.max(release.release.expiresMs, orders.freshUntilMs ?? 0)
      const is = `${timeText(before)} as it is`
      if (Date.parse(until) <= before)
        throw new CliError(`--until: found ${until}; expected a time after ${is}; nothing was ordered`, {
          exit: exits.badInput,
        })
      return {
        wishes: [{ order: 'fresh', until }],
        lines: [`hosts may begin with it until ${until} (${is})`],
        question: 'extend it?',
      }
    })
    return {
      json: { ...given, until },
      text: () => `release ${given.release.sequence} is fresh until ${until}; ${heldText(given)}`,
    }
  },
}

/** Through the control socket: what the agent refuses, it says with its code. */
async function byAgent(until: Time, options: Options, io: Io): Promise<Answer> {
  needAnswer(options, io, 'fleet fresh')
  const path = textOption(options, 'key')
  if (path === undefined)
    throw new CliError('--agent needs --key: no repository says which key it is', { exit: exits.badInput })
  const { seed } = await readKey(resolve(io.cwd, path), options, io)
  const { fleet } = await ask<StatusView>(options, io, { ask: 'status' })
  const log = await ask<readonly LogView[]>(options, io, { ask: 'log' })
  const release = log.findLast(each => each.kind === 'release' && !['refused', 'fork'].includes(each.mark))
  if (release === undefined)
    throw new CliError('there is no release yet; nothing was ordered', { hint: 'fleet publish makes one' })
  const { sequence, id, subject } = release
  await confirm(
    options,
    io,
    [`release ${sequence} (${subject})`, `  hosts may begin with it until ${until}`],
    'extend it?',
  )
  const payload = writeOrder({
    ...{ fleet: fleet as FleetId, entry: id as EntryId, issued: timeText(Date.now()) },
    order: 'fresh',
    until,
  })
  // Only the fleet knows which role the key has: as the one that can do nothing else first.
  const give = (namespace: 'fleet-fresh' | 'fleet') => {
    const order = sealOrder(payload, signSshsig(seedSigner(seed), namespace, payload))
    const base64 = Buffer.from(encode(orderMap({ order, cosigs: [] }))).toString('base64')
    return ask<{ readonly id: string }>(options, io, { ask: 'order', base64 })
  }
  const given = await give('fleet-fresh').catch(error => {
    if (error instanceof CliError && error.code === 'SIGNER_UNKNOWN') return give('fleet')
    throw error
  })
  return {
    json: { order: 'fresh', release: { sequence, id }, ids: [given.id], until },
    text: () =>
      `release ${sequence} is fresh until ${until}; the agent here holds the order, and passes it on`,
  }
}

const timeText = (ms: number) => new Date(ms).toISOString().replace(/\.[0-9]+Z$/, 'Z') as Time

function untilOf(length: string | undefined, until: string | undefined): Time {
  if ((length === undefined) === (until === undefined))
    throw new CliError('expected one of --for and --until', {
      exit: exits.badInput,
      hint: 'fleet fresh --for 30d',
    })
  if (length !== undefined) return timeText(Date.now() + period(length))
  const ms = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?$/.test(until ?? '') ? Date.parse(until!) : Number.NaN
  if (!Number.isNaN(ms)) return timeText(ms)
  throw new CliError(`--until: found '${until}', expected a time in UTC such as 2026-12-31T12:00:00Z`, {
    exit: exits.badInput,
  })
}
