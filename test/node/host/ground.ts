// What the engine's tests stand on: a machine in a temporary directory, steps without a parser, and a walk that sees
// all that a user could: content, mode, owner, link targets, empty directories.
import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Payloads } from '../../../node/host/apply.ts'
import { type Engine, type EngineOptions, openEngine } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import { specs } from '../../../node/host/verbs/index.ts'

const contents = new Map<string, Uint8Array>()

export const payloads: Payloads = {
  read: async payload => {
    const bytes = contents.get(payload.sha256)
    if (!bytes) throw new Error('not here')
    return bytes
  },
}

/** `content` becomes the payload; `options` as in the text. */
export function step(
  verb: string,
  args: string[],
  options: Record<string, string> = {},
  content?: string,
): Step {
  const spec = specs.get(verb)!
  const step = {
    verb,
    args,
    options,
    id: `${verb} ${spec.key({ args, options })}`,
    origin: { file: 'site.steps', line: 1, column: 1 },
  }
  if (content === undefined) return step
  const bytes = new TextEncoder().encode(content)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  contents.set(sha256, bytes)
  return { ...step, payload: { path: args[0]!, sha256, size: bytes.length, executable: false } }
}

export const mkdir = (path: string, options = {}) => step('MKDIR', [path], options)
export const copy = (path: string, content: string, options = {}) =>
  step('COPY', ['files/x', path], options, content)
export const link = (path: string, target: string) => step('LINK', [path, target])
export const line = (path: string, text: string, match?: string) =>
  step('LINE', [path, text], match === undefined ? {} : { match })
export const absent = (path: string) => step('ABSENT', [path])
export const run = (command: string, options = {}) => step('RUN', [command], options)

export interface Ground {
  readonly dir: string
  readonly root: string
  readonly state: string
  open(options?: Partial<EngineOptions>): Engine
  /** Writes below the root; a trailing `/` makes a directory, `-> ` in content a link. */
  fill(files: Record<string, string>): void
  walk(): Record<string, string>
  read(path: string): string
}

const made: string[] = []
process.on('exit', () => {
  for (const dir of made) fs.rmSync(dir, { recursive: true, force: true })
})

export function ground(at?: string): Ground {
  const dir = at ?? fs.mkdtempSync(join(tmpdir(), 'fleet-host-'))
  if (at === undefined) made.push(dir)
  const root = `${dir}/root`
  const state = `${dir}/state`
  fs.mkdirSync(root, { recursive: true })
  return {
    dir,
    root,
    state,
    open: options =>
      openEngine({
        root,
        state,
        now: Date.now,
        random: () => randomBytes(4).readUInt32LE() / 2 ** 32,
        ...options,
      }),
    fill: files => {
      for (const [path, content] of Object.entries(files)) {
        const real = root + path
        fs.mkdirSync(path.endsWith('/') ? real : join(real, '..'), { recursive: true })
        if (path.endsWith('/')) continue
        if (content.startsWith('-> ')) fs.symlinkSync(content.slice(3), real)
        else fs.writeFileSync(real, content)
      }
    },
    walk: () => walk(root),
    read: path => fs.readFileSync(root + path, 'utf8'),
  }
}

export function walk(root: string): Record<string, string> {
  const seen: Record<string, string> = {}
  const visit = (path: string) => {
    for (const name of fs.readdirSync(root + path).sort()) {
      const at = `${path}/${name}`
      const stat = fs.lstatSync(root + at)
      const head = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`
      if (stat.isDirectory()) {
        seen[`${at}/`] = head
        visit(at)
      } else if (stat.isSymbolicLink()) seen[at] = `${stat.uid}:${stat.gid} -> ${fs.readlinkSync(root + at)}`
      else seen[at] = `${head} ${stat.isFile() ? fs.readFileSync(root + at, 'latin1') : 'other'}`
    }
  }
  visit('')
  return seen
}

export const about = (id: string) => ({ id, label: `release ${id}` })
