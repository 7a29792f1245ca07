// `fleet pause`: repair nothing and take nothing for a while, the whole host or one path.
import { ask, stateOption } from '../client.ts'
import { CliError, type CommandSpec, textOption } from '../command.ts'

export const spec: CommandSpec = {
  about: 'Ends by itself; a paused host is shown as PAUSED in fleet peers.',
  args: [['[path]', 'only this managed path; default: the whole host']],
  options: [
    ['--for <time>', 'how long: 30m, 2h, 1d (at most 30d)', '1h'],
    ['--reason <text>', 'shown to everybody'],
    stateOption,
  ],
  examples: [
    'fleet pause --for 2h --reason "disk swap"',
    'fleet pause /etc/motd --for 30m --reason "trying a fix"',
  ],
  json: true,
  async run([path], options, io) {
    const forMs = period(textOption(options, 'for') ?? '1h')
    const reason = textOption(options, 'reason') ?? 'no reason given'
    await ask(options, io, { ask: 'pause', forMs, reason, ...(path !== undefined && { path }) })
    const until = new Date(Date.now() + forMs).toISOString()
    return {
      json: { path: path ?? null, until, reason },
      text: () =>
        `paused ${path ?? 'this host'} until ${until.slice(0, 16).replace('T', ' ')} UTC; sooner: fleet unpause${path ? ` ${path}` : ''}`,
    }
  },
}

const units: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** `90s`, `30m`, `2h`, `1d` as milliseconds, of the option named. */
export function period(text: string, option = '--for'): number {
  const match = /^([1-9][0-9]{0,5})([smhd])$/.exec(text)
  const ms = Number(match?.[1]) * (units[match?.[2] ?? ''] ?? Number.NaN)
  if (!(ms <= 30 * 86_400_000))
    throw new CliError(`${option}: found '${text}', expected a time such as 30m, 2h or 1d, at most 30d`, {
      exit: 2,
    })
  return ms
}
