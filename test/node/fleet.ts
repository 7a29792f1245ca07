// A fleet of agent cores (rig.ts) with operators, releases and packs, for stories and properties.
import { hex } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import type { Time } from '../../signing/fields.ts'
import { joinSigned, signSshsig, splitSigned } from '../../signing/sshsig.ts'
import {
  anna,
  bert,
  content,
  eve,
  files,
  genesis,
  hosts,
  type Made,
  operator,
  release,
} from '../signing/fleet.ts'
import { Rig, type SimHost } from './rig.ts'

export const later = '2030-01-01T00:00:00Z' as Time
export const operators = [operator('anna', anna), operator('bert', bert)]

/** Terms of a release in stages that soaks for half a minute. */
export const staged = (stages: readonly number[]) => ({ stages, soakSeconds: 30, deadlineSeconds: 600 })

/** A fleet whose hosts have heard of each other. */
export function awake(count: number, seed = 1) {
  const made = fleet(count, seed)
  made.start()
  made.rig.run(5_000)
  return made
}

/** A fleet of `count` whose genesis names them all, and releases with packs of their own. */
export function fleet(count: number, seed = 1) {
  const first = genesis(files(operators, hosts(count)))
  const rig = new Rig(first, seed)
  const checkpoint = { sequence: 1, id: first.id }
  const all = Array.from({ length: count }, (_, i) => rig.add(i, { checkpoint }))
  let newest: Made = first
  let trust: Made = first
  const packs = new Map<number, Uint8Array>()
  const next = (
    name: string,
    more: Parameters<typeof release>[1] = {},
    signers = [anna],
    size = 1000,
  ): Made => {
    const pack = new Uint8Array(size).fill(name.charCodeAt(0))
    if (name.startsWith('bad')) pack.set(new TextEncoder().encode('bad'))
    const made = release(
      { fleet: first, previous: newest, trust },
      {
        object: hex(sha256(new TextEncoder().encode(name))).slice(0, 40),
        content: content(name),
        packs: [{ digest: hex(sha256(pack)), size, base: 'none' }],
        expires: later,
        soakSeconds: 5,
        ...more,
      },
      signers,
    )
    packs.set(made.sequence, pack)
    return made
  }
  const give = (host: SimHost, made: Made) => {
    const pack = packs.get(made.sequence)
    if (pack) host.packs.set(hex(sha256(pack)), pack)
  }
  return {
    rig,
    all,
    first,
    next,
    packs,
    /** Publishes at a host, which has the pack from the operator. */
    publish(host: SimHost, made: Made) {
      give(host, made)
      rig.submit(host, made)
      rig.handed(host, made.id, packs.get(made.sequence))
      newest = made
      return made
    },
    /** Publishes with whatever pack travels inside, and no other. */
    follow(made: Made, host: SimHost) {
      rig.submit(host, made)
      newest = made
    },
    trust(made: Made) {
      newest = made
      trust = made
    },
    start() {
      for (const host of all) rig.submit(host, first)
      rig.connect(...all)
    },
    newest: () => newest,
  }
}

/** The same entry, id included, under the signature of somebody else. */
export function resigned(made: Made): Made {
  const { payload } = splitSigned(made.envelope.tag)!
  const tag = joinSigned({ payload, blob: signSshsig(eve, 'git', payload) })
  return { ...made, envelope: { ...made.envelope, tag } }
}
