// Asks the local agent over its socket.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Ask, decodeReply } from '../node/control.ts'
import { askControl } from '../node/os-socket.ts'
import { CliError, exits, type Io, type Options, textOption } from './command.ts'

export const stateOption = [
  '--state <dir>',
  "the agent's state folder (default: $FLEET_STATE, else /var/lib/fleet)",
] as const

export function stateFolder(options: Options, io: Io): string {
  return textOption(options, 'state') ?? io.env['FLEET_STATE'] ?? '/var/lib/fleet'
}

/** The agent's answer; fails with exit 3 when no agent runs there. */
export async function ask<T>(options: Options, io: Io, question: Ask): Promise<T> {
  const state = stateFolder(options, io)
  const socket = join(state, 'control.sock')
  let line: string
  try {
    line = await askControl(socket, question)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'EACCES' || code === 'EPERM')
      throw new CliError(`may not talk to the agent at ${socket}`, {
        exit: exits.noAgent,
        hint: 'try again with sudo',
      })
    if (code !== 'ENOENT' && code !== 'ECONNREFUSED')
      throw new CliError(`the agent at ${socket} does not answer: ${message}`)
    const start = existsSync(join(state, 'join'))
      ? `fleet agent --state ${state}`
      : `fleet join STRING --state ${state}`
    throw new CliError(`no agent runs with the state folder ${state}`, {
      exit: exits.noAgent,
      hint: `start it: ${start}`,
    })
  }
  const reply = decodeReply(line)
  if (reply === undefined) throw new CliError(`the agent at ${socket} answered something that is no reply`)
  if ('error' in reply) throw new CliError(reply.error.message, { code: reply.error.code })
  return reply.ok as T
}
