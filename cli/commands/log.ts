// `fleet log`: the operator log as this host holds it, and what it refused.
import type { LogView } from '../../node/control.ts'
import { ask, stateOption } from '../client.ts'
import type { CommandSpec } from '../command.ts'
import { paint, short, table } from '../render.ts'

export const spec: CommandSpec = {
  options: [stateOption],
  examples: ['fleet log', 'fleet log --json'],
  json: true,
  async run(_args, options, io) {
    const entries = await ask<readonly LogView[]>(options, io, { ask: 'log' })
    return { json: entries, text: () => render(entries, io.columns, io.colour) }
  },
}

function render(entries: readonly LogView[], columns: number, colour: boolean): string {
  if (entries.length === 0) return 'the log is empty: no peer has brought an entry yet'
  const rows = entries.map(each => [
    String(each.sequence),
    each.kind,
    short(each.id),
    new Date(each.issuedMs).toISOString().slice(0, 16).replace('T', ' '),
    each.signer ?? 'unknown',
    each.refusal ? paint('refused', 'red', colour) : each.mark,
    each.subject,
  ])
  // The table cuts long words; a refusal is worth reading whole.
  const refusals = entries.flatMap(({ sequence, refusal }) =>
    refusal ? [`refused ${sequence}: ${refusal.detail} (${refusal.code})`] : [],
  )
  return [table(['SEQ', 'KIND', 'ID', 'SIGNED', 'BY', 'MARK', 'SUBJECT'], rows, columns), ...refusals].join(
    '\n',
  )
}
