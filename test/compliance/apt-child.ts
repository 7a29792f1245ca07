// An agent to be killed in the middle: changes packages as it is told.
import { openPackages } from '../../node/host/linux-packages.ts'
import type { Change } from '../../node/host/resource.ts'

const [, , root, state, changes] = process.argv as [string, string, string, string, string]
await openPackages(root, state)!.change(JSON.parse(changes) as Change[])
