// How a test stands on a lab: one suite per file, skipped as a whole, with one line, where no lab can stand.
import { describe } from 'vitest'
import { obstacle } from './base.ts'

const why = await obstacle()

/** Like `describe`. Says once per file why it is skipped. */
export function onLab(name: string, body: () => void): void {
  if (why !== undefined) console.log(`skipped, the lab cannot run: ${why}`)
  describe.skipIf(why !== undefined)(name, body)
}
