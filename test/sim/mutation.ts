// Makes a build with a mutant in it, in a copy of the sources, and runs seeds on it in a process of its own until the checker
// that is meant accuses it. What it also says of the sound build does not count.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Worker } from '../../sim/campaign.ts'
import { drawScenario } from '../../sim/draw.ts'
import type { Outcome, Terms } from '../../sim/outcome.ts'
import { startWorker } from '../../sim/processes.ts'
import type { Mutant } from './mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const copied = ['cli', 'gossip', 'node', 'signing', 'sim', 'package.json']
/** ms until a seed is given up: what was broken may go round in circles. */
const boundMs = 60_000

/** A copy of the sources, sound until something is broken in it. */
export class Sources {
  readonly folder = mkdtempSync(join(tmpdir(), 'fleet-mutant-'))

  constructor() {
    for (const name of copied) cpSync(join(root, name), join(this.folder, name), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(this.folder, 'node_modules'))
  }

  /** Breaks it as the mutant says; answers with what mends it. Fails when the text does not stand there once. */
  break({ name, file, find, replace }: Mutant): () => void {
    const path = join(this.folder, file)
    const sound = readFileSync(path, 'utf8')
    const parts = sound.split(find)
    if (parts.length !== 2)
      throw new Error(`mutant '${name}': its text stands ${parts.length - 1} times in ${file}; expected once`)
    writeFileSync(path, parts.join(replace))
    return () => writeFileSync(path, sound)
  }

  get worker(): string {
    return join(this.folder, 'sim/worker.ts')
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A process that runs seeds on some sources; it is begun anew after a seed that ended it or took too long. */
export class Runs {
  readonly #file: string
  readonly #known = new Map<number, Outcome | undefined>()
  #worker: Worker | undefined

  readonly #terms: Terms

  constructor(file: string, terms: Terms = {}) {
    this.#file = file
    this.#terms = terms
  }

  /** Undefined: it came to no end. */
  async run(seed: number): Promise<Outcome | undefined> {
    if (this.#known.has(seed)) return this.#known.get(seed)
    this.#worker ??= startWorker(this.#terms, this.#file)
    const bound = Promise.withResolvers<undefined>()
    const timer = setTimeout(() => bound.resolve(undefined), boundMs)
    const outcome = await Promise.race([this.#worker.run(seed).catch(() => undefined), bound.promise])
    clearTimeout(timer)
    if (outcome === undefined) this.end()
    this.#known.set(seed, outcome)
    return outcome
  }

  end(): void {
    this.#worker?.end()
    this.#worker = undefined
  }
}

/** What a checker has to say of a run; undefined: nothing. */
export function accusation(outcome: Outcome | undefined, checker: string): string | undefined {
  const violation = outcome?.violations.find(each => each.checker === checker)?.text
  return violation ?? outcome?.pending.find(each => each.startsWith(`${checker}: `))
}

/** Seeds from 1 up to `most`, those of small worlds first: they are soon run. */
export function bySize(most: number): readonly number[] {
  const sizes = Array.from({ length: most }, (_, at) => {
    const { hosts, faultsMs } = drawScenario(at + 1)
    return { seed: at + 1, size: hosts * faultsMs }
  })
  return sizes.sort((a, b) => a.size - b.size).map(each => each.seed)
}

export interface Caught {
  readonly seed: number
  readonly said: string
}

/** The first of the seeds that tells a mutant from the sound build; without that, whose checker speaks. */
export async function hunt(
  { sources, sound }: { readonly sources: Sources; readonly sound?: Runs | undefined },
  mutant: Mutant,
  seeds: readonly number[],
  seen: (seed: number, outcome: Outcome | undefined) => void = () => {},
): Promise<Caught | undefined> {
  const mend = sources.break(mutant)
  const broken = new Runs(sources.worker, mutant.atOnce ? { atOnce: true } : {})
  try {
    for (const seed of seeds) {
      const outcome = await broken.run(seed)
      seen(seed, outcome)
      const said = accusation(outcome, mutant.checker)
      if (said === undefined || accusation(await sound?.run(seed), mutant.checker) !== undefined) continue
      return { seed, said }
    }
    return undefined
  } finally {
    broken.end()
    mend()
  }
}
