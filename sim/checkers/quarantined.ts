// Nothing unverified reaches the repository: what it holds is what operators signed, byte for byte.
import type { Checker } from '../events.ts'

export function quarantined(): Checker {
  return {
    of: ['decided'],
    event(event, { ledger }) {
      if (event.kind !== 'decided' || event.input.kind !== 'installed') return undefined
      const { result } = event.input
      if (result.kind !== 'installed') return undefined
      const { commit, content } = result.release
      const signed = ledger.byCommit(commit)
      if (signed === undefined) return `installed the commit ${commit}, which nobody released`
      return signed.content === content
        ? undefined
        : `installed ${commit} with the content ${content}; signed is ${signed.content}`
    },
    end({ hosts, ledger }) {
      for (const { name, honest, peer } of hosts) {
        if (!honest) continue
        for (const commit of peer?.repository.held() ?? [])
          if (ledger.byCommit(commit) === undefined)
            return `${name} holds the commit ${commit}, which nobody released`
      }
      return undefined
    },
  }
}
