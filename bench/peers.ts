// `fleet apply` beside the tools that people would pick instead: the same work by whole processes, start-up included,
// one after another in each round, and what they left checked after every run. Answers figures; the matrix says all.
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Measured, median, peersPrefix, rounded } from './figures.ts'
import { Copy, makeRole, roleFault } from './peers-role.ts'
import { type Command, fleet, others, type Tool } from './peers-tools.ts'

const bin = fileURLToPath(new URL('../bin/fleet', import.meta.url))
const sizes = [100, 1000, 5000] as const
const works = ['fresh', 'noop', 'drift'] as const
const rounds = 5
/** Who took longer than this for one run takes part in one round only. Seconds. */
const patienceS = 4
const perFolder = 100
/** Sources are as old as in a repository that was cloned long ago. Seconds since 1970. */
const oldS = 1_600_000_000
/** Of the files, by hand; half by content and half by mode. */
const driftShare = 0.01

type Cell = `${(typeof works)[number]}_${number}` | `role_${'fresh' | 'noop'}`
const cells: readonly Cell[] = [
  ...sizes.flatMap(size => works.map(work => `${work}_${size}` as const)),
  'role_fresh',
  'role_noop',
]

/** Milliseconds of a run, or what it left wrong. */
type Run = number | string

class Results {
  readonly #runs = new Map<string, Run[]>()

  add(tool: Tool, cell: Cell, run: Run): void {
    const key = `${tool.key} ${cell}`
    const known = this.#runs.get(key)
    if (known) known.push(run)
    else this.#runs.set(key, [run])
  }

  /** Median in ms; what was wrong, if anything ever was; undefined: it did not take part. */
  of(tool: Tool, cell: Cell): Run | undefined {
    const runs = this.#runs.get(`${tool.key} ${cell}`)
    const wrong = runs?.find(each => typeof each === 'string')
    return runs && (wrong ?? median(runs as number[]))
  }

  /** `cell`: the first of its kind that would be tried. */
  slow(tool: Tool, cell: Cell): boolean {
    const runs = this.#runs.get(`${tool.key} ${cell}`) ?? []
    return runs.some(each => typeof each === 'string' || each > patienceS * 1000)
  }

  /** Of the tools that get the state right. */
  fastest(tools: readonly Tool[], cell: Cell): { readonly tool: Tool; readonly ms: number } | undefined {
    return tools
      .filter(each => !each.reference)
      .map(tool => ({ tool, ms: this.of(tool, cell) }))
      .filter((each): each is { tool: Tool; ms: number } => typeof each.ms === 'number')
      .sort((a, b) => a.ms - b.ms)[0]
  }
}

/** The matrix is printed by `show`, line by line; the figures are ms by tool and cell, and ratios. */
export async function measurePeers(
  note: (line: string) => void,
  show: (line: string) => void = console.log,
): Promise<Measured> {
  const dir = fs.mkdtempSync(join(tmpdir(), 'fleet-peers-'))
  try {
    const load = loadavg()[0]!
    if (load > 0.5)
      note(`this machine is at other work (load ${load.toFixed(1)}): take the figures of a quiet one`)
    const installed = others.filter(tool => versionOf(tool, note))
    const tools = [fleet(bin), ...installed]
    const results = new Results()
    for (const size of sizes) files(dir, size, tools, results, note)
    await role(dir, tools, results, note)
    for (const line of matrix(tools, results)) show(line)
    return figures(tools, results)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

function versionOf({ name, needs, install, reference }: Tool, note: (line: string) => void): boolean {
  for (const each of needs) {
    const found = spawnSync(each, ['--version'], { encoding: 'utf8' })
    if (found.error) {
      note(`${name} is not installed (apt-get install ${install}): left out`)
      return false
    }
    if (each === needs[0] && !reference) note(`${name}: ${found.stdout.trim().split('\n')[0]}`)
  }
  return true
}

/** Milliseconds of the whole process, after what came before is on the disk. */
function time({ argv: [first, ...rest], env, cwd }: Command, dir: string): Run {
  spawnSync('sync', ['-f', dir])
  const began = performance.now()
  const { status, error, stdout, stderr } = spawnSync(first, rest, {
    cwd: cwd ?? dir,
    env: { PATH: process.env['PATH'], LC_ALL: 'C.UTF-8', HOME: dir, ...env },
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  })
  const ms = performance.now() - began
  if (status === 0) return ms
  return `failed: ${error?.message ?? `${stdout}${stderr}`.trim().slice(-300)}`
}

// Files: `size` files of 1 KiB in folders of a hundred.

const nameOf = (number: number) => `d${Math.floor(number / perFolder)}/f${number}`

function files(
  dir: string,
  size: number,
  tools: readonly Tool[],
  results: Results,
  note: (line: string) => void,
): void {
  const project = join(dir, `project${size}`)
  const source = join(project, 'files/data')
  execute(bin, ['init', project], dir)
  const contents = Array.from({ length: size }, () => randomBytes(1024))
  for (const [number, bytes] of contents.entries()) {
    const path = join(source, nameOf(number))
    fs.mkdirSync(dirname(path), { recursive: true })
    fs.writeFileSync(path, bytes, { mode: 0o644 })
    fs.utimesSync(path, oldS, oldS)
  }
  fs.writeFileSync(join(project, 'site.steps'), 'TREE files/data /data\n')
  commitAll(project)
  // Once for all: the first look at an old file writes down when that was, and fills the cache of the disk.
  for (const number of contents.keys()) fs.readFileSync(join(source, nameOf(number)))

  for (let round = 0; round < rounds; round++)
    for (const tool of inTurn(tools, round)) {
      if (results.slow(tool, `fresh_${size}`)) continue
      const own = join(dir, tool.key, String(size))
      const target = join(own, 'root')
      fs.mkdirSync(target, { recursive: true })
      const command = tool.files(own, source, target)
      const check = (run: Run) =>
        typeof run === 'string' ? run : (filesFault(join(target, 'data'), contents) ?? run)
      const fresh = check(time(command, own))
      results.add(tool, `fresh_${size}`, fresh)
      if (!tool.reference && typeof fresh === 'number') {
        results.add(tool, `noop_${size}`, check(time(command, own)))
        edit(join(target, 'data'), contents)
        results.add(tool, `drift_${size}`, check(time(command, own)))
      }
      // Aside, not away: ext4 finds new inodes slowly after many were deleted.
      fs.mkdirSync(join(dir, 'aside'), { recursive: true })
      fs.renameSync(target, join(dir, 'aside', `${tool.key}-${size}-${round}`))
    }
  note(`${size} files: done`)
}

/** Each round begins with another one. */
const inTurn = <T>(all: readonly T[], round: number): readonly T[] => [
  ...all.slice(round % all.length),
  ...all.slice(0, round % all.length),
]

function edit(target: string, contents: readonly Uint8Array[]): void {
  const number = Math.max(2, Math.round(contents.length * driftShare))
  for (let at = 0; at < number; at++) {
    const path = join(target, nameOf((at * 97) % contents.length))
    if (at % 2 === 0) fs.writeFileSync(path, randomBytes(1024))
    else fs.chmodSync(path, 0o600)
  }
}

/** What is not as declared below `target`, by a full walk. */
function filesFault(target: string, contents: readonly Uint8Array[]): string | undefined {
  let found = 0
  const walk = (path: string, name: string): string | undefined => {
    const stat = fs.lstatSync(path)
    const mode = stat.mode & 0o7777
    if (stat.isDirectory()) {
      if (mode !== 0o755) return `wrong: mode of ${name}/`
      for (const each of fs.readdirSync(path)) {
        const fault = walk(join(path, each), name === '' ? each : `${name}/${each}`)
        if (fault) return fault
      }
      return undefined
    }
    found++
    const number = Number(/\d+$/.exec(name)?.[0])
    const right = contents[number]
    if (!stat.isFile() || right === undefined || name !== nameOf(number)) return `wrong: ${name}`
    if (mode !== 0o644) return `wrong: mode of ${name}`
    return fs.readFileSync(path).equals(right) ? undefined : `wrong: content of ${name}`
  }
  try {
    return walk(target, '') ?? (found === contents.length ? undefined : `wrong: ${found} files`)
  } catch (error) {
    return `wrong: ${(error as Error).message}`
  }
}

async function role(dir: string, tools: readonly Tool[], results: Results, note: (line: string) => void) {
  const project = join(dir, 'role')
  execute(bin, ['init', project], dir)
  const declared = makeRole(project)
  for (let round = 0; round < rounds; round++)
    for (const tool of inTurn(tools, round)) {
      if (!tool.role || results.slow(tool, 'role_fresh')) continue
      const own = join(dir, tool.key, `role${round}`)
      fs.mkdirSync(own, { recursive: true })
      const command = tool.role(own, declared)
      if (round === 0 && tool === tools[0]) commitAll(project)
      const copy = await Copy.open(join(dir, 'copies', `${tool.key}${round}`))
      if (copy === undefined) {
        note('the role is left out: no copy of this machine can be made here (needs root and overlayfs)')
        return
      }
      try {
        const inside = { ...command, argv: copy.command(command.argv, command.cwd) }
        for (const cell of ['role_fresh', 'role_noop'] as const) {
          const run = time(inside, own)
          const fault = typeof run === 'string' ? undefined : roleFault(copy.root)
          results.add(tool, cell, fault === undefined ? run : `wrong: ${fault}`)
        }
      } finally {
        await copy.close()
      }
    }
  note('role: done')
}

function execute(command: string, args: readonly string[], cwd: string): void {
  const { status, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

function commitAll(project: string): void {
  const who = ['-c', 'user.name=bench', '-c', 'user.email=bench@example.org']
  execute('git', ['add', '-A'], project)
  execute('git', [...who, 'commit', '-q', '--no-gpg-sign', '-m', 'bench'], project)
}

/** Seconds by cell and tool, and how much faster than the fastest other we are. */
function* matrix(tools: readonly Tool[], results: Results): Generator<string> {
  const row = (head: string, columns: readonly string[]) =>
    `${head.padEnd(20)}${columns.map(each => each.padStart(10)).join('')}`.trimEnd()
  yield row('SECONDS', [...tools.map(each => each.name), 'ratio'])
  const wrongs: string[] = []
  const [ours, ...rest] = tools
  for (const cell of cells) {
    const columns = tools.map(tool => {
      const run = results.of(tool, cell)
      if (typeof run !== 'string') return run === undefined ? '-' : seconds(run)
      wrongs.push(`${tool.name}, ${cell}: ${run}`)
      return run.slice(0, run.indexOf(':'))
    })
    const mine = results.of(ours!, cell)
    const best = results.fastest(rest, cell)
    yield row(titleOf(cell), [...columns, typeof mine === 'number' && best ? times(best.ms / mine) : '-'])
  }
  yield `Medians of ${rounds} rounds (one for who takes over ${patienceS} s); ratio: the fastest other that gets the state right / fleet`
  yield* wrongs
  yield ''
}

const seconds = (ms: number) => String(rounded(ms / 1000))
const times = (ratio: number) => `${rounded(ratio)} x`
const titleOf = (cell: Cell) => {
  const [work, of] = cell.split('_') as [string, string]
  return work === 'role' ? `role of 30, ${of}` : `${work}, ${of} files`
}

function figures(tools: readonly Tool[], results: Results): Measured {
  const found: Record<string, number> = {}
  const [ours, ...rest] = tools
  for (const cell of cells) {
    for (const tool of tools) {
      const run = results.of(tool, cell)
      if (typeof run === 'number') found[`${peersPrefix}${tool.key}_${cell}_ms`] = run
    }
    const mine = results.of(ours!, cell)
    const best = results.fastest(rest, cell)
    if (typeof mine === 'number' && best) found[`${peersPrefix}ratio_${cell}`] = best.ms / mine
  }
  return found
}
