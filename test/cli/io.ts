// An Io for commands that are run in the test's own process.
import type { Io } from '../../cli/command.ts'

/** No colours, 80 columns, nothing of the environment but PATH; `HOME` is `cwd`. */
export function testIo(cwd: string): Io {
  return {
    colour: false,
    columns: 80,
    cwd,
    env: { HOME: cwd, PATH: process.env['PATH'] },
    progress: () => {},
    stopped: () => new Promise(() => {}),
  }
}
