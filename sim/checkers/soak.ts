// No host is HEALTHY before it has stood by a release for the whole soak, by its own time since boot; a reboot begins it anew.
import { readSaid } from '../../node/aftermath.ts'
import { hex } from '../../signing/bytes.ts'
import type { Checker } from '../events.ts'

/** ms that an agent runs before it is seen to have started. */
const startMs = 1_000

interface Stood {
  readonly entry: string
  readonly soakMs: number
  /** Undefined: its machine is off, and what it stood before counts no more. */
  sinceMs: number | undefined
}

export function soak(): Checker {
  /** By host: what is in force on it. */
  const stood = new Map<string, Stood>()
  /** Host, release and attempt of verdicts that were right: what was said once may be said again. */
  const passed = new Set<string>()
  return {
    of: ['started', 'ended', 'ran', 'spoke', 'decided'],
    event(event, scene) {
      if (event.kind === 'healed' || event.host.cloned || !event.host.honest) return undefined
      const { host } = event
      const nowMs = scene.nowMs()
      const found = stood.get(host.name)
      switch (event.kind) {
        case 'ended':
          if (event.how === 'power' && found !== undefined) found.sinceMs = undefined
          return undefined
        case 'started':
          if (found !== undefined) found.sinceMs ??= nowMs - startMs
          return undefined
        case 'ran':
          if (event.report.kind === 'applied' && event.entry.release !== undefined) {
            const { id: entry, release } = event.entry
            stood.set(host.name, { entry, soakMs: release.soakMs, sinceMs: nowMs })
          }
          return undefined
        case 'spoke': {
          const { state, entry, attempt = 1 } = event.status
          return state === 'HEALTHY' && entry ? wrong(host.name, hex(entry[1]), attempt, nowMs) : undefined
        }
        case 'decided':
          // It may be cut off before it speaks, and say it in its next life.
          for (const effect of event.effects) {
            const said = effect.kind === 'keep-said' ? readSaid(effect.record)?.said : undefined
            if (said?.state === 'HEALTHY') return wrong(host.name, said.entry, said.attempt, nowMs)
          }
          return undefined
        default:
          return undefined
      }
    },
  }

  /** It comes to that verdict now, or says so. */
  function wrong(name: string, entry: string, attempt: number, nowMs: number): string | undefined {
    const verdict = `${name} ${entry} ${attempt}`
    const found = stood.get(name)
    if (passed.has(verdict)) return undefined
    passed.add(verdict)
    if (found?.entry !== entry) return undefined
    const stoodMs = found.sinceMs === undefined ? 0 : nowMs - found.sinceMs
    return stoodMs >= found.soakMs
      ? undefined
      : `is HEALTHY after ${stoodMs} ms of release ${entry.slice(0, 8)}, whose soak takes ${found.soakMs}`
  }
}
