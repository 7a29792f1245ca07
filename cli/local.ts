// What `plan` and `apply` have in common: which host this is, what is declared for it, where the engine keeps its state.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { HostError, type Reason } from '../node/host/errors.ts'
import { type Engine, openEngine } from '../node/host/main.ts'
import type { StepPlan } from '../node/host/plan.ts'
import { frozen } from '../node/host/steps/facts.ts'
import { groundFile, withGround } from '../node/host/steps/ground.ts'
import type { Payload, Step } from '../node/host/steps/step.ts'
import { inventoryHost } from '../node/inventory.ts'
import { systemClock, systemRandom } from '../node/os.ts'
import { machineFacts } from '../node/os-facts.ts'
import type { ToldStep } from '../node/told-plan.ts'
import { CliError, exits, type Io, type Options, textOption } from './command.ts'
import { TreeDeclaration } from './declaration.ts'
import { findProject, readTree, type Tree, trustOf } from './project.ts'
import { paint } from './render.ts'

export const localOptions = [
  ['--root <dir>', 'fill this directory instead of /'],
  ['--host <name>', 'a host of the roster (default: this one if it is there, else a host without labels)'],
  [
    '--state <dir>',
    "the engine's state, as an agent has it (default: $FLEET_STATE, else var/lib/fleet below the root, where no step may reach)",
  ],
  ['--without-xattrs', 'replace files without carrying their ACLs and extended attributes over'],
] as const

export interface Local {
  readonly tree: Tree
  readonly host: string
  readonly root: string
  /** The engine's own folder below the state folder. */
  readonly state: string
  readonly steps: readonly Step[]
  readonly facts: Readonly<Record<string, string>>
  payload(payload: Payload): Promise<Uint8Array>
}

/** Below the agent's state folder: the journal, what was saved, kept edits. */
const engineFolder = 'host'

/**
 * The declaration of a tree for a host, with the facts of this machine. `change`: fails unless somebody said that this
 * machine is meant, by the roster, `--host` or `--root`: a laptop that holds the repository is rarely one of the hosts.
 */
export async function readLocal(
  rev: string | undefined,
  options: Options,
  io: Io,
  { change = false } = {},
): Promise<Local> {
  const project = findProject(io.cwd)
  const tree = await readTree(project, rev === undefined ? 'worktree' : { rev })
  const { roster } = trustOf(tree)
  const wanted = textOption(options, 'host')
  const found = roster.find(each => each.name === (wanted ?? hostname().toLowerCase()))
  if (wanted !== undefined && found === undefined)
    throw new CliError(`there is no host '${wanted}' on the roster`, {
      exit: exits.badInput,
      hint: 'trust/hosts lists them; fleet enroll adds one',
    })
  if (change && found === undefined && textOption(options, 'root') === undefined)
    throw new CliError(`this machine, ${hostname()}, is not on the roster; nothing was changed`, {
      exit: exits.badInput,
      hint: 'to fill a directory: --root DIR; to change this machine all the same: --root /',
    })
  const facts = machineFacts()
  const host = found ? inventoryHost(found, facts) : { name: hostname(), labels: {}, addresses: [], facts }
  const declaration = new TreeDeclaration(tree, roster)
  const declared = declaration.steps(host)

  const root = resolve(io.cwd, textOption(options, 'root') ?? '/')
  if (!existsSync(root))
    throw new CliError(`there is no directory ${root}`, { exit: exits.badInput, hint: `mkdir ${root}` })
  const given = textOption(options, 'state') ?? io.env['FLEET_STATE']
  const state = join(given === undefined ? join(root, 'var/lib/fleet') : resolve(io.cwd, given), engineFolder)
  return {
    tree,
    host: host.name,
    root,
    state,
    steps: root === '/' ? declared.steps : withGround(declared.steps),
    facts: frozen(facts, declared.facts),
    payload: async payload => {
      const bytes = declaration.payload(declared, payload)
      if (bytes === undefined) throw new Error(`no bytes for ${payload.path}`)
      return bytes
    },
  }
}

/** Opens the engine on the state itself. */
export function openLocal({ root, state }: Local, options: Options): Engine {
  try {
    return openEngine({
      root,
      state,
      now: () => systemClock.now(),
      random: () => systemRandom.number(),
      withoutXattrs: options['withoutXattrs'] === true,
    })
  } catch (error) {
    if (error instanceof HostError && error.code === 'STATE_LOCKED')
      throw new CliError(error.message, {
        code: error.code,
        hint: 'where an agent runs, it applies what is published; to look at all of it now: fleet apply --agent',
      })
    throw error
  }
}

/** Opens the engine on a copy of what is remembered, so that looking leaves no trace and needs no lock. */
export async function lookLocal<T>(
  local: Local,
  options: Options,
  look: (engine: Engine) => T | Promise<T>,
): Promise<T> {
  const copy = mkdtempSync(join(tmpdir(), 'fleet-plan-'))
  try {
    for (const name of ['journal', 'tag'])
      if (existsSync(join(local.state, name))) {
        copyFileSync(join(local.state, name), join(copy, name))
        chmodSync(join(copy, name), 0o600)
      }
    if (existsSync(join(local.state, 'saved'))) symlinkSync(join(local.state, 'saved'), join(copy, 'saved'))
    const engine = openLocal({ ...local, state: copy }, options)
    try {
      return await look(engine)
    } finally {
      engine.close()
    }
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

export const originOf = ({
  origin: { file, line },
}: {
  origin: Pick<Step['origin'], 'file' | 'line'>
}): string => (file === groundFile ? file : `${file}:${line}`)

/** `COPY /etc/x (site.steps:3): NO_PERMISSION: …`; the output of a command follows on lines of its own. */
export function notKeptLine(step: Step, { code, detail }: Reason): string {
  return `${step.id} (${originOf(step)}): ${code}: ${detail.trimEnd().replaceAll('\n', '\n  ')}`
}

/** A row of a table of changes: what, how well it can be taken back, which step, from where. */
export function changeRow(
  { change, step, undo, tentative, ...origin }: ToldStep,
  colour: boolean,
): readonly string[] {
  const red = (text: string) => (undo === 'one-way' ? paint(text, 'red', colour) : text)
  return [tentative ? `${change}*` : change, red(undo), red(step), originOf({ origin })]
}

export const changeHeading = ['change', 'undo', 'step', 'from'] as const

/** Stable: what `--json` prints of a step that changes. */
export function changeView({ kind, step, undoClass, tentative }: StepPlan) {
  const { file, line } = step.origin
  return { step: step.id, change: kind, undo: undoClass, file, line, ...(tentative && { tentative }) }
}
