// The demo's villain: a release signed by a key that is no operator's, sent under the stolen key of a real host. Shows
// that being a peer of the fleet gives nobody a say.
import { join } from 'node:path'
import { libp2pCarrier } from '../gossip/libp2p.ts'
import { decodeMessage, encodeMessage } from '../gossip/message.ts'
import { language, version } from '../node/config.ts'
import { keys } from '../node/driver.ts'
import { openLevel } from '../node/level.ts'
import { EntryLog } from '../node/log.ts'
import { systemClock, systemRandom } from '../node/os.ts'
import { readHostKey, readJoined } from '../node/os-identity.ts'
import { makeReleaseEntry, prepareRelease } from '../node/release.ts'
import { unhex } from '../signing/bytes.ts'
import { seedSigner } from '../signing/sshsig.ts'
import { CliError } from './command.ts'
import type { DemoHost } from './demo-stage.ts'
import { settingsDefault } from './settings.ts'

/** Sends the forgery to each of `targets` in the name of `thief`, whose agent must be stopped. */
export async function forge(thief: DemoHost, targets: readonly DemoHost[]): Promise<void> {
  const joined = await readJoined(thief.state)
  const key = readHostKey(thief.state)
  if (joined === undefined || key === undefined) throw new CliError(`${thief.state} is no host's state`)
  const log = new EntryLog({ fleet: joined.fleet, language, floor: joined.checkpoint })
  const { port: store } = await openLevel(join(thief.state, 'db'), systemClock)
  for (const [, envelope] of await store.range({ from: keys.entry(0, ''), before: 'entry0', limit: 1000 }))
    log.take(envelope, { gap: true })
  await store.close()

  const stranger = {
    log,
    signer: seedSigner(systemRandom.bytes(32)),
    author: { name: 'mallory', email: 'm@example.org' },
  }
  const common = { ...stranger, nowMs: systemClock.now() }
  const steps = new TextEncoder().encode('ABSENT /etc\n')
  const wish = {
    files: new Map([['site.steps', { mode: '100644' as const, bytes: steps }]]),
    ...{
      subject: 'owned',
      words: '',
      source: undefined,
      never: [],
      allow: [],
      terms: settingsDefault.rollout,
    },
  }
  const made = prepareRelease(common, wish)
  if (made.kind === 'refused') throw new CliError(made.detail)
  const entry = makeReleaseEntry(common, wish, made, undefined)

  const fleet = unhex(joined.fleet, 32) ?? new Uint8Array(32)
  const seeds = targets.map(each => `127.0.0.1:${each.port}`)
  const carrier = await libp2pCarrier({ fleet: joined.fleet, key: key.seed, listen: [], seeds })
  try {
    const sent = Promise.withResolvers<void>()
    const reached = new Set<string>()
    await carrier.start({
      up: peer => {
        carrier
          .send(peer, encodeMessage({ t: 'entry', entry: entry.envelope }))
          .then(() => carrier.send(peer, encodeMessage({ t: 'want', after: 0 })))
          .catch(sent.reject)
      },
      down: () => {},
      // Messages are read in order: whoever answers the question has read the forgery before it.
      message: (peer, bytes) => {
        if (decodeMessage(bytes).t === 'entries') reached.add(peer)
        if (reached.size >= targets.length) sent.resolve()
      },
      gossip: () => 'ignore',
      admit: () => 'member',
      hello: () => encodeMessage({ t: 'hello', v: 1, fleet, agent: version, addrs: [] }),
      bookChanged: () => {},
    })
    const late = setTimeout(() => sent.reject(new CliError('the forger reached nobody')), 15_000)
    await sent.promise.finally(() => clearTimeout(late))
  } finally {
    await carrier.stop()
  }
}
