// What the host engine costs: a fresh apply against `cp -a`, a full audit, hand edit -> restored. Answers figures;
// bench/main.ts prints them. Everything happens in a temporary directory.
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Payloads } from '../node/host/apply.ts'
import { type Engine, openEngine } from '../node/host/main.ts'
import type { Step } from '../node/host/steps/step.ts'

const filesMax = 5000
const perDirectory = 100

interface Bed {
  readonly dir: string
  readonly root: string
  readonly steps: readonly Step[]
  readonly payloads: Payloads
  readonly engine: Engine
}

function makeBed(files = filesMax): Bed {
  const dir = fs.mkdtempSync(join(tmpdir(), 'fleet-bench-'))
  const root = `${dir}/root`
  fs.mkdirSync(root)
  fs.mkdirSync(`${dir}/source`)
  const contents = new Map<string, Uint8Array>()
  const steps: Step[] = []
  const origin = { file: 'bench', line: 1, column: 1 }
  for (let at = 0; at < files; at++) {
    const home = `/d${Math.floor(at / perDirectory)}`
    if (at % perDirectory === 0) {
      steps.push({ verb: 'MKDIR', args: [home], options: {}, id: `MKDIR ${home}`, origin })
      fs.mkdirSync(`${dir}/source${home}`)
    }
    const path = `${home}/f${at}`
    const bytes = randomBytes(1024)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    contents.set(sha256, bytes)
    fs.writeFileSync(`${dir}/source${path}`, bytes)
    const payload = { path, sha256, size: bytes.length, executable: false }
    steps.push({ verb: 'COPY', args: [path, path], options: {}, id: `COPY ${path}`, origin, payload })
  }
  const engine = openEngine({ root, state: `${dir}/state`, now: Date.now, random: Math.random })
  return { dir, root, steps, engine, payloads: { read: async ({ sha256 }) => contents.get(sha256)! } }
}

function clear({ dir, engine }: Bed) {
  engine.close()
  fs.rmSync(dir, { recursive: true, force: true })
}

const about = { id: 'bench', label: 'bench' }

async function timed(action: () => unknown): Promise<number> {
  const start = performance.now()
  await action()
  return performance.now() - start
}

/** Milliseconds for 5,000 files of 1 KiB, journalled and durable, and for `cp -a` of the same. Medians of `rounds`. */
export async function freshApply(rounds = 3): Promise<{ ms: number; cpMs: number; ratio: number }> {
  const ours: number[] = []
  const beds: Bed[] = []
  const cp: number[] = []
  for (let round = 0; round < rounds; round++) {
    const bed = makeBed()
    beds.push(bed)
    execFileSync('sync', ['-f', bed.dir])
    cp.push(await timed(() => execFileSync('cp', ['-a', `${bed.dir}/source`, `${bed.dir}/copy`])))
    execFileSync('sync', ['-f', bed.dir])
    ours.push(await timed(() => bed.engine.run(bed.steps, about, bed.payloads)))
  }
  // Not between rounds: ext4 finds new inodes slowly just after many were deleted.
  for (const bed of beds) clear(bed)
  const [ms, cpMs] = [percentile(ours, 0.5), percentile(cp, 0.5)]
  return { ms, cpMs, ratio: ms / cpMs }
}

/** Milliseconds for a full look at 5,000 converged files; median of `rounds`. */
export async function auditAll(rounds = 5): Promise<{ ms: number }> {
  const bed = makeBed()
  await bed.engine.run(bed.steps, about, bed.payloads)
  await bed.engine.audit(bed.payloads)
  const all: number[] = []
  for (let round = 0; round < rounds; round++) all.push(await timed(() => bed.engine.audit(bed.payloads)))
  clear(bed)
  return { ms: percentile(all, 0.5) }
}

/** Milliseconds from the end of a hand edit until the file is right again, 5,000 files watched. */
export async function repairLatency(edits = 200): Promise<{ p50Ms: number; p99Ms: number }> {
  const bed = makeBed()
  await bed.engine.run(bed.steps, about, bed.payloads)
  let restored: (() => void) | undefined
  const watch = bed.engine.watch(bed.payloads, event => {
    if (event.kind === 'looked' && event.outcome.repaired.length > 0) restored?.()
  })
  await bed.engine.audit(bed.payloads)
  const copies = bed.steps.filter(step => step.verb === 'COPY')
  const all: number[] = []
  for (let edit = 0; edit < edits; edit++) {
    const step = copies[(edit * 37) % copies.length]!
    const real = bed.root + step.args[1]
    const looked = new Promise<void>(done => {
      restored = done
    })
    fs.writeFileSync(real, `edited ${edit}`)
    const since = performance.now()
    await looked
    // The event comes after the outcome is noted: an upper bound.
    if (fs.statSync(real).size !== 1024) throw new Error(`${real} was not restored`)
    all.push(performance.now() - since)
  }
  watch.close()
  clear(bed)
  return { p50Ms: percentile(all, 0.5), p99Ms: percentile(all, 0.99) }
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
