// A process of its own for libp2p-mdns.test.ts: one carrier that knows nobody and listens where it is told. Says who
// is up, a line each, until its standard input ends.
import { libp2pCarrier } from '../../gossip/libp2p.ts'

const [number, listen, ...rest] = process.argv.slice(2)
const carrier = await libp2pCarrier({
  fleet: (rest[0] ?? 'ab').repeat(32),
  key: new Uint8Array(32).fill(Number(number)),
  listen: [listen ?? ''],
  mdns: true,
})
await carrier.start({
  up: peer => console.log(`up ${peer}`),
  down: peer => console.log(`down ${peer}`),
  message() {},
  gossip: () => 'accept',
  admit: () => 'member',
  hello: () => new Uint8Array(),
  bookChanged() {},
})
console.log(`self ${carrier.self}`)
process.stdin.resume().on('end', async () => {
  await carrier.stop()
  process.exit()
})
