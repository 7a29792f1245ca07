// `npm run sim:libp2p -- --hosts 100`: the second tier of the simulator once, and what it measured. Exit 1 when a promise was
// broken or the fleet did not converge.
import { parseArgs } from 'node:util'
import { memory } from '@libp2p/memory'
import { simulateLive } from '../sim/libp2p.ts'
import { bytes, span } from '../sim/words.ts'

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
    'real-crypto': { type: 'boolean', default: false },
    within: { type: 'string', default: '300' },
  },
})
const hosts = Number(values.hosts)
if (!(Number.isInteger(hosts) && hosts >= 4 && hosts <= 200))
  throw new Error(`--hosts: found '${values.hosts}', expected a whole number from 4 to 200`)
const seed = Number(values.seed)
const say = (line: string) => process.stdout.write(`${line}\n`)
say(`${hosts} hosts on libp2p over memory, seed ${seed}`)
const result = await simulateLive({
  ...{ hosts, seed, withinMs: Number(values.within) * 1000, onProgress: say },
  realCrypto: values['real-crypto'],
  transport: () => memory(),
})
for (const { checker, host, atMs, text } of result.violations)
  say(`VIOLATED ${checker}, ${host ?? 'the fleet'}, ${span(atMs)}: ${text}`)
for (const line of result.pending.slice(0, 5)) say(`PENDING ${line}`)
say(`in force after  ${result.arrivedMs.map(span).join(', ')} (restarts: ${result.restarts})`)
say(
  `converged after ${span(result.convergedMs)}, one host having joined late; all in ${span(result.elapsedMs)}`,
)
say(
  `per host        ${span(result.cpuMs / hosts)} of processor time, ${bytes(result.residentBytes / hosts)} resident`,
)
process.exitCode = result.violations.length + result.pending.length > 0 ? 1 : 0
