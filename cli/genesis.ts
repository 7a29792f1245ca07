// The first entry of a fleet: made by `fleet init`, kept beside the operator's repository until `fleet publish` hands it
// to the hosts. Its id is the fleet's.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Author, taggerOf } from '../node/release.ts'
import {
  decodeEnvelope,
  type EntryId,
  encodeEnvelope,
  type FleetId,
  openEntry,
  sealEntry,
  writePayload,
} from '../signing/entry.ts'
import { isRefusal } from '../signing/errors.ts'
import { writeJoin } from '../signing/join.ts'
import { type Signer, signSshsig } from '../signing/sshsig.ts'
import { type Trust, type TrustFiles, trustDigests, trustTree } from '../signing/trust.ts'
import { CliError } from './command.ts'
import { fleetFolder, type Project } from './project.ts'

export interface MadeGenesis {
  readonly fleet: FleetId
  /** The bytes of its envelope (docs/formats.md section 4). */
  readonly envelope: Uint8Array
}

/** Where the envelope is kept, below the folder of the repository. */
export const genesisFile = '.git/fleet/genesis'

export function makeGenesis(
  name: string,
  trust: TrustFiles,
  signer: Signer,
  author: Author,
  nowMs: number,
): MadeGenesis {
  const payload = writePayload({
    object: trustTree(trust),
    tagger: taggerOf(author, nowMs),
    subject: `fleet ${name}`,
    words: '',
    kind: 'trust',
    sequence: 1,
    ...trustDigests(trust),
  })
  const tag = sealEntry(payload, signSshsig(signer, 'git', payload))
  return { ...openGenesis(encodeEnvelope({ tag, cosigs: [], trust }))! }
}

/** The genesis of this project; fails when it was made elsewhere and is not here. */
export function readGenesis(project: Project): MadeGenesis {
  const path = join(fleetFolder(project), 'genesis')
  if (!existsSync(path))
    throw new CliError(`${project.root} has no genesis entry at ${genesisFile}`, {
      hint: 'it is made by fleet init; copy that file from the machine where the fleet began',
    })
  const genesis = openGenesis(new Uint8Array(readFileSync(path)))
  if (!genesis)
    throw new CliError(`${path} is damaged`, {
      hint: 'copy it again from the machine where the fleet began',
    })
  return genesis
}

function openGenesis(envelope: Uint8Array): MadeGenesis | undefined {
  const found = decodeEnvelope(envelope)
  const opened = isRefusal(found) ? found : openEntry(found.tag)
  if (isRefusal(opened) || opened.entry.sequence !== 1) return undefined
  return { fleet: opened.id as string as FleetId, envelope }
}

/** What a new host is told: the fleet, its first entry as checkpoint, seeds and roster addresses. */
export function joinStringOf(project: Project, trust: Trust): string {
  const { fleet } = readGenesis(project)
  const addresses = [...project.settings.seeds, ...trust.roster.flatMap(each => each.addresses)]
  return writeJoin({
    fleet,
    checkpoint: { sequence: 1, id: fleet as string as EntryId },
    addresses: [...new Set(addresses)].slice(0, 16),
  })
}
