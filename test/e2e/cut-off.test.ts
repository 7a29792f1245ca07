// The cut-off guard over the real network: hosts on loopback, one of which has a transport that makes no new connection while
// a file is there. A release that lays that file is taken back and FAILED; one that does not is confirmed by the peers.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { tcp } from '@libp2p/tcp'
import { afterEach, expect, test } from 'vitest'
import type { TransportFactory } from '../../gossip/libp2p-node.ts'
import { openPeer } from '../../node/main.ts'
import { openHost } from '../../node/os-host.ts'
import type { RunWitness } from '../../node/os-witness.ts'
import type { Peer } from '../../node/peer.ts'
import { makeReleaseEntry, prepareRelease } from '../../node/release.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { publicKeyOf } from '../../signing/crypto.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import { anna, files, genesis, hosts, type Made, operator, seedOf } from '../signing/fleet.ts'
import { until } from './fleet.ts'

const folder = mkdtempSync(`${tmpdir()}/fleet-cut-off-`)
const cut = `${folder}/cut`
const isCut = () => existsSync(cut)
const peers: Peer[] = []
const said: string[] = []
const dirs: string[] = []

afterEach(async () => {
  for (const each of peers.splice(0)) await each.stop()
  for (const each of dirs.splice(0)) rmSync(each, { recursive: true, force: true })
  rmSync(cut, { force: true })
  said.length = 0
})

/** TCP that makes no new connection either way while the host is cut off; those that there are go on, as in a firewall. */
const gated: TransportFactory = components => {
  const transport = tcp()(components)
  const dial = transport.dial.bind(transport)
  const createListener = transport.createListener.bind(transport)
  transport.dial = (...args) => (isCut() ? Promise.reject(new Error('cut off')) : dial(...args))
  transport.createListener = options => {
    const { upgrader } = options
    const upgradeInbound: typeof upgrader.upgradeInbound = (connection, more) =>
      isCut() ? Promise.reject(new Error('cut off')) : upgrader.upgradeInbound(connection, more)
    return createListener({
      ...options,
      upgrader: Object.assign(Object.create(upgrader), { upgradeInbound }),
    })
  }
  return transport
}

/** The same witness, less patient: the engine would wait two minutes. */
const hasty = (witness: RunWitness): RunWitness => ({
  before: () => witness.before(),
  confirm: token => witness.confirm(token, 6_000),
  heard: () => witness.heard(),
  over: () => witness.over(),
})

/** A fleet of which one host runs releases; the others only keep its company. */
async function begin(count: number): Promise<Peer> {
  const roster = hosts(count).map(each => ({ ...each, addresses: ['127.0.0.1:9'] }))
  const first: Made = genesis(files([operator('anna', anna)], roster))
  const seeds: string[] = []
  for (let at = 0; at < count; at++) {
    const key = seedOf(100 + at)
    const dir = mkdtempSync(`${folder}/host-`)
    dirs.push(dir)
    mkdirSync(`${dir}/root`)
    const peer = await openPeer({
      state: dir,
      fleet: first.id as never,
      checkpoint: { sequence: 1, id: first.id },
      key,
      role: at === 0 ? 'host' : 'operator',
      first: [encodeEnvelope(first.envelope)],
      network: { listen: ['127.0.0.1:0'], seeds, ...(at === 0 && { transport: gated }) },
      log: (_, event) => void (at === 0 && said.push(event)),
      fatal: error => {
        throw error
      },
      ...(at === 0 && {
        host: async ports => {
          const options = {
            ...{ root: `${dir}/root`, state: `${dir}/host`, key: hex(publicKeyOf(key)), auditMs: 1e9 },
            ...{ terminals: false, log: () => {}, random: () => 0.5, now: () => Date.now() },
          }
          return openHost(options, { ...ports, witness: hasty(ports.witness!) })
        },
      }),
    })
    peers.push(peer)
    if (at === 0) seeds.push(...peer.carrier.addresses())
  }
  const [host] = peers as [Peer]
  await until('all to be up', () => host.carrier.peers().length === count - 1 || undefined)
  return host
}

/** Publishes at the host itself. */
async function publish(host: Peer, steps: string): Promise<void> {
  const common = {
    ...{ log: host.entries, signer: anna, nowMs: Date.now() },
    author: { name: 'anna', email: 'anna@example.org' },
  }
  const site = { mode: '100644', bytes: utf8(steps) } as const
  const wish = {
    files: new Map([
      ['fleet.toml', { ...site, bytes: utf8('name = "x"\n') }],
      ['site.steps', site],
      ['x', { ...site, bytes: utf8('new\n') }],
    ]),
    ...{ subject: 'a release', words: '', source: undefined, never: [], allow: [] },
    terms: {
      ...{ soakSeconds: 1, windowSeconds: 0, deadlineSeconds: 300, expiresSeconds: 3_600 },
      // All at once: the others run nothing, and would be waited for.
      ...{ riskBasisPoints: 10_000, liarsBasisPoints: 0 },
    },
  }
  const made = prepareRelease(common, wish)
  if (made.kind === 'refused') throw new Error(made.detail)
  const { envelope, id } = makeReleaseEntry(common, wish, made, undefined)
  const claim = { digest: made.digest, base: 'none', commit: made.release.commit } as const
  const result = await host.repository.install(made.pack, claim)
  host.driver.feed({ kind: 'submit', envelope })
  host.driver.feed({ kind: 'installed', entry: id, pack: made.digest, result })
}

const read = (path: string) => {
  const file = `${dirs[0]}/root/${path}`
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}
const state = (host: Peer, ...wanted: string[]) =>
  until(
    `the host to be ${wanted.join(' or ')}`,
    () => (wanted.includes(host.reporter.state ?? '') ? host.reporter.state : undefined),
    90_000,
  )

test('a run that its peers confirm is applied, one that cuts the host off is taken back and FAILED', async () => {
  const host = await begin(3)
  await publish(host, `COPY x /etc/x\nRUN "true" guarded undo="true"\n`)
  await state(host, 'HEALTHY')
  expect(said).toContain('still reached after the run')
  expect(read('etc/x')).toBe('new\n')

  await publish(host, `COPY x /etc/y\nRUN "touch ${cut}" guarded undo="rm -f ${cut}"\n`)
  await state(host, 'FAILED')
  expect(host.reporter.why).toMatch(/CUT_OFF: no peer reached the host/)
  expect(said).toContain('reached again since the run was taken back')
  expect([read('etc/x'), read('etc/y'), isCut()]).toEqual(['new\n', undefined, false])
  await until('both peers', () => host.carrier.peers().length === 2 || undefined)
})

test('a host that no peer reaches anew waits, since nobody could tell; nothing is changed', async () => {
  const host = await begin(2)
  writeFileSync(cut, '')
  await publish(host, `COPY x /etc/x\nRUN "true" guarded undo="true"\n`)
  await state(host, 'WAIT')
  expect(host.reporter.why).toMatch(/NO_WITNESS/)
  expect(read('etc/x')).toBeUndefined()
})

test('where the roster names no other host the guard is off, and says so', async () => {
  const host = await begin(1)
  await publish(host, `RUN "touch ${cut}" guarded undo="rm -f ${cut}"\n`)
  await state(host, 'HEALTHY')
  expect(said).toContain('the cut-off guard is off: the roster names no other host')
})
