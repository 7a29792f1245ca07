// A commit that no entry names, for a trial or a host's own plan: made from the files of a revision as a release would be, and put
// where the hosts fetch it from: this laptop.
import { makeRelease } from '../node/publish.ts'
import type { Author } from '../node/release.ts'
import { CliError, exits } from './command.ts'
import type { Laptop } from './laptop.ts'
import type { Tree } from './project.ts'

export interface Branch {
  readonly commit: string
  readonly pack: { readonly digest: string; readonly size: number }
  readonly files: number
}

/** Fails when no host would take it. Trust is the fleet's newest version, whatever the revision has. */
export async function offerBranch(
  { peer }: Laptop,
  tree: Tree,
  author: Author,
  subject: string,
): Promise<Branch> {
  const { hosts, operators, policy } = peer.entries.trust()?.files ?? {}
  const none = new Uint8Array()
  const made = makeRelease({
    files: tree.files,
    trust: new Map([
      ['trust/hosts', hosts ?? none],
      ['trust/operators', operators ?? none],
      ['trust/policy', policy ?? none],
    ]),
    author,
    seconds: Math.floor(Date.now() / 1000),
    subject,
  })
  if (made.kind === 'refused')
    throw new CliError(`no host would take this: ${made.detail}`, { code: made.code, exit: exits.badInput })
  const { commit, listing } = made.release
  const { digest, size } = made
  const installed = await peer.repository.install(made.pack, { digest, base: 'none', commit })
  if (installed.kind === 'refused')
    throw new CliError(`no host would take this: ${installed.detail}`, { code: installed.code })
  return { commit, pack: { digest, size }, files: listing.size }
}
