// From a held release to the steps of this host, and to the bytes that they name: reads the repository until everything
// that the declaration wants is there. What is declared is host/steps/'s to say; what is run, os-host.ts's.
import { isTrust } from './content.ts'
import type { Payloads } from './host/apply.ts'
import { declare } from './host/steps/declare.ts'
import type { Facts } from './host/steps/facts.ts'
import { withGround } from './host/steps/ground.ts'
import { decodeText } from './host/steps/lex.ts'
import type { Problem, Step } from './host/steps/step.ts'
import { inventoryHost, inventoryRoster } from './inventory.ts'
import type { HostPorts } from './peer.ts'

export interface DeclarerOptions {
  readonly root: string
  /** This host's key in hex. */
  readonly key: string
  /** What the run that is in force was declared with: the release's commit, and the facts as they were. */
  readonly inForce: () => { readonly commit: string; readonly facts: Facts } | undefined
}

export type Declared =
  | { readonly kind: 'ok'; readonly steps: readonly Step[]; readonly facts: ReadonlySet<string> }
  | { readonly kind: 'bad'; readonly problems: readonly Problem[] }

export class Declarer {
  readonly #options: DeclarerOptions
  readonly #ports: Pick<HostPorts, 'entries' | 'repository'>
  readonly #rendered = new Map<string, Uint8Array>()

  constructor(options: DeclarerOptions, ports: Pick<HostPorts, 'entries' | 'repository'>) {
    this.#options = options
    this.#ports = ports
  }

  /** The steps of a held release for this host. */
  async declare(commit: string, facts: Facts): Promise<Declared> {
    const { entries, repository } = this.#ports
    const { root, key } = this.#options
    const { listing } = await repository.release(commit)
    const files = new Map([...listing].filter(([path]) => !isTrust(path)))
    const texts = new Map<string, string>()
    const own = entries.host(key)
    const host = inventoryHost(
      own ?? { name: 'unknown', key: new Uint8Array(32), addresses: [], labels: {} },
      facts,
    )
    const roster = inventoryRoster(entries.roster())
    for (;;) {
      const declared = declare({ files, text: path => texts.get(path), host, roster })
      if (declared.needs.length === 0) {
        if (declared.problems.length > 0) return { kind: 'bad', problems: declared.problems }
        this.#rendered.clear()
        for (const [digest, bytes] of declared.rendered) this.#rendered.set(digest, bytes)
        const steps = root === '/' ? declared.steps : withGround(declared.steps)
        return { kind: 'ok', steps, facts: declared.facts }
      }
      for (const path of declared.needs) {
        const bytes = await repository.read(commit, path)
        const { text, problems } = decodeText(path, bytes ?? new Uint8Array())
        if (problems.length > 0) return { kind: 'bad', problems }
        texts.set(path, text)
      }
    }
  }

  readonly payloads: Payloads = {
    read: async payload => {
      const found = this.#rendered.get(payload.sha256) ?? (await this.#ports.repository.blob(payload.sha256))
      if (found !== undefined) return found
      // A template after a restart: rendered again, with the facts of the run that is in force.
      const inForce = this.#options.inForce()
      if (inForce !== undefined) await this.declare(inForce.commit, inForce.facts)
      const again = this.#rendered.get(payload.sha256)
      if (again === undefined)
        throw new Error(`${payload.path} (${payload.sha256.slice(0, 10)}) is not held here`)
      return again
    },
  }
}
