// What one agent costs that keeps 5,000 files of 1 KiB, in a fleet of ten such: its start, the first run, audits,
// repairs, and what it takes when nothing happens. Real processes, looked at from outside.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import type { DemoHost } from '../cli/demo-stage.ts'
import { decodeReply } from '../node/control.ts'
import { socketFile } from '../node/os-agent.ts'
import { askControl } from '../node/os-socket.ts'
import { Bed, idleCost, usage } from './bed.ts'
import { type Measured, median, percentile } from './figures.ts'

const hosts = 10
const files = 5000
const audits = 10
const edits = 200
const restarts = 5

export async function measureAgent(note: (line: string) => void): Promise<Measured> {
  const bed = await Bed.make(hosts, files)
  try {
    const fresh = await firstRuns(bed, note)
    const idle = await idleCost(bed, note)
    const [host] = bed.hosts as [DemoHost]
    return {
      ...fresh,
      idle_5000_rss_mb: idle.rssMb,
      idle_5000_cpu_pct: idle.cpuPct,
      audit_5000_ms: await auditTime(host),
      ...(await repairTimes(bed, host, note)),
      start_ms: await restartTime(bed, host),
    }
  } finally {
    await bed.close()
  }
}

/** One host after another, so that each has the machine for itself: the first by `publish`, the others catch up. */
async function firstRuns(bed: Bed, note: (line: string) => void): Promise<Measured> {
  const starts: number[] = []
  const ours: number[] = []
  const copies: number[] = []
  const peaks: number[] = []
  const [first] = bed.hosts as [DemoHost]
  starts.push(await bed.start(first))
  const sequence = await bed.publish('--peers', '1')
  for (const host of bed.hosts) {
    execFileSync('sync', ['-f', bed.stage.folder])
    if (host !== first) starts.push(await bed.start(host))
    const end = await bed.ran(host, sequence)
    const begin = bed.lines(host).find(each => each.event === 'run started' && each.sequence === sequence)
    const ms = Date.parse(end.time) - Date.parse(begin!.time)
    const peakMb = usage(bed.stage.pid(host.name)!).peakMb
    execFileSync('sync', ['-f', bed.stage.folder])
    const before = performance.now()
    execFileSync('cp', ['-a', bed.source, join(bed.stage.folder, host.name, 'copy')])
    const cpMs = performance.now() - before
    ours.push(ms)
    copies.push(cpMs)
    peaks.push(peakMb)
    note(`${host.name}: applied in ${ms} ms, cp -a ${cpMs.toFixed(0)} ms, peak ${peakMb.toFixed(0)} MB`)
  }
  return {
    start_new_ms: median(starts),
    fresh_5000_ms: median(ours),
    cp_5000_ms: median(copies),
    fresh_5000_vs_cp: median(ours) / median(copies),
    peak_rss_mb: Math.max(...peaks),
  }
}

/** The question `apply` of the control socket: a look at everything in force, and the answer. */
async function auditTime(host: DemoHost): Promise<number> {
  const all: number[] = []
  for (let round = 0; round < audits; round++) {
    const began = performance.now()
    const reply = decodeReply(await askControl(join(host.state, socketFile), { ask: 'apply' }))
    all.push(performance.now() - began)
    const counts = reply && 'ok' in reply ? (reply.ok as { kept: number; repaired: number }) : undefined
    if (counts === undefined || counts.repaired !== 0 || counts.kept < files)
      throw new Error(`the audit found ${JSON.stringify(reply)}`)
  }
  return median(all)
}

/** Four ways in which a file is saved: shells, `tee -a`, sed -i and most editors, vim with a backup. */
const savings: readonly ((path: string, text: string) => void)[] = [
  (path, text) => fs.writeFileSync(path, text),
  (path, text) => fs.appendFileSync(path, text),
  (path, text) => {
    fs.writeFileSync(`${path}.tmp`, text)
    fs.renameSync(`${path}.tmp`, path)
  },
  (path, text) => {
    fs.renameSync(path, `${path}~`)
    fs.writeFileSync(path, text)
    fs.rmSync(`${path}~`)
  },
]

/** From the end of an edit until the file reads as declared, seen by a loop that does nothing else. */
async function repairTimes(bed: Bed, host: DemoHost, note: (line: string) => void): Promise<Measured> {
  const all: number[] = []
  for (let edit = 0; edit < edits; edit++) {
    const number = (edit * 37) % files
    const name = `d${Math.floor(number / 100)}/f${number}`
    const path = join(bed.target(host), name)
    const right = fs.readFileSync(join(bed.source, name))
    savings[edit % savings.length]!(path, `edited by hand ${edit}\n`)
    const began = performance.now()
    while (!same(path, right))
      if (performance.now() - began > 10_000) throw new Error(`${path} was not restored within 10 s`)
    all.push(performance.now() - began)
  }
  note(`repairs: worst ${Math.max(...all).toFixed(1)} ms`)
  return { repair_p50_ms: percentile(all, 0.5), repair_p99_ms: percentile(all, 0.99) }
}

function same(path: string, right: Uint8Array): boolean {
  try {
    return fs.readFileSync(path).equals(right)
  } catch {
    // Between a rename away and the repair.
    return false
  }
}

/** Of a host that has its release: the journal is read, the log checked, and what is managed watched again. */
async function restartTime(bed: Bed, host: DemoHost): Promise<number> {
  const all: number[] = []
  for (let round = 0; round < restarts; round++) {
    await bed.stage.stop(host.name)
    all.push(await bed.start(host))
  }
  return median(all)
}
