// An agent to be killed in the middle: changes packages as it is told.
import { openApt } from '../../node/host/linux-apt.ts'
import type { Change } from '../../node/host/resource.ts'

const [, , root, state, changes] = process.argv as [string, string, string, string, string]
await openApt(root, state).change(JSON.parse(changes) as Change[])
