// Run in a host whose agent was killed: does what an agent does first, and nothing more. Prints whether a run was taken back.
import { openEngine } from '/opt/fleet/node/host/main.ts'

const engine = openEngine({ root: '/', state: '/var/lib/fleet/host', now: Date.now, random: Math.random, log: line => console.error(line) })
const { undone, leftBehind } = await engine.recover()
console.log(JSON.stringify({ undone, leftBehind, dirty: engine.dirty() }))
engine.close()
