// Nothing unverified reaches the repository: what it holds is what operators signed, byte for byte.
import type { Checker } from '../events.ts'

export function quarantined(): Checker {
  return {
    of: ['decided'],
    event(event, { ledger }) {
      if (event.kind !== 'decided' || event.input.kind !== 'installed') return undefined
      const { entry, result } = event.input
      if (result.kind !== 'installed') return undefined
      const { commit, content } = result.release
      const signed = ledger.byId(entry)
      if (signed === undefined || signed.commit !== commit)
        return `installed the commit ${commit} for entry ${entry}; signed is ${signed?.commit}`
      return signed.content === content
        ? undefined
        : `installed ${commit} with the content ${content}; signed is ${signed.content}`
    },
    end({ hosts, ledger }) {
      for (const { name, honest, peer } of hosts) {
        if (!honest) continue
        for (const commit of peer?.repository.held() ?? []) {
          const signed = ledger.byCommit(commit)
          if (signed === undefined) return `${name} holds the commit ${commit}, which nobody released`
          if (signed.untrue) return `${name} holds the commit ${commit}, which is not what its entry says`
        }
      }
      return undefined
    },
  }
}
