// The slots on the disk: the file that says which one runs, a bundle put into the other one, the proof of life. What the
// words mean is left to slots.ts.
import { execFile } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { hex } from '../signing/bytes.ts'
import { NodeError } from './errors.ts'
import { replaceFile, syncPath, systemRandom } from './os.ts'
import type { Log } from './os-log.ts'
import { type Life, lacking, otherSlot, readSlots, type Slots, writeSlots } from './slots.ts'

const run = promisify(execFile)
const utf8 = (text: string) => new TextEncoder().encode(text)

/** Undefined: `home` has no slots. */
export function loadSlots(home: string): Slots | undefined {
  const file = join(home, 'slots')
  return existsSync(file) ? readSlots(readFileSync(file, 'utf8')) : undefined
}

export function saveSlots(home: string, slots: Slots): void {
  replaceFile(join(home, 'slots'), [utf8(writeSlots(slots))])
  chmodSync(join(home, 'slots'), 0o644)
}

/** What a bundle must hold to run at all. */
const parts = ['bin/fleet'] as const

/**
 * Puts a bundle (a directory, or a .tar.gz of one) into `${slot}.new` of `home`, durably, and asks it for its version.
 * Throws NodeError: BUNDLE_FORM when it is none or does not run, BUNDLE_SPACE.
 */
export async function stageBundle(home: string, slot: string, bundle: string): Promise<string> {
  const place = join(home, `${slot}.new`)
  rmSync(place, { recursive: true, force: true })
  const directory = statSync(bundle, { throwIfNoEntry: false })?.isDirectory()
  if (directory === undefined) throw new NodeError('BUNDLE_FORM', { bundle, found: 'nothing' })
  const { stdout } = await run('du', ['-skL', bundle])
  // Text and binaries shrink to a third; what is packed already does not.
  const needed = Number.parseInt(stdout, 10) * 1024 * (directory ? 1.1 : 4)
  const { bavail, bsize } = statfsSync(home)
  if (bavail * bsize < needed)
    throw new NodeError('BUNDLE_SPACE', { at: home, needed: Math.ceil(needed), free: bavail * bsize })
  mkdirSync(place, { mode: 0o755 })
  try {
    return await unpack(bundle, directory, place)
  } catch (error) {
    dropStaged(home, slot)
    throw error
  }
}

/** What was staged is not wanted after all. */
export function dropStaged(home: string, slot: string): void {
  rmSync(join(home, `${slot}.new`), { recursive: true, force: true })
}

async function unpack(bundle: string, directory: boolean, place: string): Promise<string> {
  try {
    if (directory) await run('cp', ['-RL', '--preserve=mode', `${bundle}/.`, place])
    else
      await run('tar', [
        '-xzf',
        bundle,
        '-C',
        place,
        '--no-same-owner',
        '--no-same-permissions',
        '--strip-components=1',
      ])
  } catch (error) {
    throw new NodeError('BUNDLE_FORM', { bundle, found: lastLine(error) }, error)
  }
  const missing = parts.find(each => !existsSync(join(place, each)))
  if (missing !== undefined) throw new NodeError('BUNDLE_FORM', { bundle, missing })
  const version = await versionOf(place)
  await run('sync', ['-f', place])
  return version
}

/** What `bin/fleet --version` of a slot says. Throws NodeError: BUNDLE_FORM. */
export async function versionOf(place: string): Promise<string> {
  const bundle = place
  try {
    const { stdout } = await run(join(place, 'bin/fleet'), ['--version'], {
      timeout: 30_000,
      maxBuffer: 4096,
    })
    const version = stdout.trim()
    if (/^\d+\.\d+\.\d+[\w.+-]*$/.test(version)) return version
    throw new Error(`found '${version.slice(0, 60)}', expected a version`)
  } catch (error) {
    throw new NodeError('BUNDLE_FORM', { bundle, found: lastLine(error) }, error)
  }
}

const lastLine = (error: unknown) => (error as Error).message.trim().split('\n').at(-1)!.slice(0, 200)

/** What was staged takes the place of the other slot and is on trial from the next start. */
export function beginTrial(
  home: string,
  slots: Slots,
  version: string,
  peers: number,
  seconds: number,
): Slots {
  const slot = otherSlot(slots.current)
  rmSync(join(home, slot), { recursive: true, force: true })
  renameSync(join(home, `${slot}.new`), join(home, slot))
  syncPath(home)
  const id = hex(systemRandom.bytes(8))
  const next = { current: slots.current, trial: { slot, id, tries: 0, seconds, peers, version } }
  saveSlots(home, next)
  return next
}

/** What the launcher tells the agent that it starts, taken out of the environment of what that runs. */
export interface Launched {
  readonly home: string
  readonly slot: string
  /** Id of the trial; '' when it is none. */
  readonly trial: string
}

export function takeLaunched(env: NodeJS.ProcessEnv): Launched | undefined {
  const { FLEET_SLOTS: home, FLEET_SLOT: slot, FLEET_TRIAL: trial = '' } = env
  for (const name of ['FLEET_SLOTS', 'FLEET_SLOT', 'FLEET_TRIAL']) delete env[name]
  return home === undefined || slot === undefined ? undefined : { home, slot, trial }
}

/** How often a new agent looks whether it lives. Milliseconds. */
const lookMs = 500

/** Of an agent on trial: writes the proof once it lives. Answers how to give up. */
export function proveLife({ home, trial }: Launched, life: () => Life, log: Log): () => void {
  const wanted = loadSlots(home)?.trial
  if (trial === '' || wanted?.id !== trial) return () => {}
  log('info', 'on trial', { slot: wanted.slot, seconds: wanted.seconds, peers: wanted.peers })
  let lacked: string | undefined
  const timer = setInterval(() => {
    const lacks = lacking(life(), wanted)
    if (lacks !== lacked && lacks !== undefined) log('info', 'not proved yet', { lacks })
    lacked = lacks
    if (lacks !== undefined) return
    try {
      replaceFile(join(home, 'proof'), [utf8(trial)])
    } catch (error) {
      log('error', 'the proof of life cannot be written', { message: (error as Error).message })
      return
    }
    clearInterval(timer)
    log('info', 'proved', { slot: wanted.slot })
  }, lookMs)
  timer.unref()
  return () => clearInterval(timer)
}
