// All commands, in the order in which `fleet --help` lists them. A command's module is loaded when it is typed.
import type { CommandSpec } from '../command.ts'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandSpec>
}

const at = async (module: Promise<{ readonly spec: CommandSpec }>) => (await module).spec

export const commands: readonly CommandEntry[] = [
  { name: 'fmt', summary: 'bring steps files into their canonical form', load: () => at(import('./fmt.ts')) },
  {
    name: 'check',
    summary: 'find what is wrong in the declaration, for every host',
    load: () => at(import('./check.ts')),
  },
]
