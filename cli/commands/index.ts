// All commands, in the order in which `fleet --help` lists them. A command's module is loaded when it is typed.
import type { CommandSpec } from '../command.ts'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandSpec>
}

export const commands: readonly CommandEntry[] = []
