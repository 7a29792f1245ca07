// What the simulator's machine tests stand on: a simulated disk with the real engine on it, roles to bring into force, and a
// walk that sees all that a user could.
import { type Engine, engineOn } from '../../node/host/main.ts'
import type { Step } from '../../node/host/steps/step.ts'
import { SimDisk } from '../../sim/disk.ts'
import { Life } from '../../sim/life.ts'
import { openSimMachine, type SimMachine } from '../../sim/machine.ts'
import { openSimProviders, type SimProviders } from '../../sim/providers.ts'
import { absent, copy, line, link, mkdir, run, step } from '../node/host/ground.ts'
import { tar } from '../node/host/tars.ts'

export const state = '/var/lib/fleet'
const owner = { uid: 0, gid: 0 }

export interface SimGround {
  readonly disk: SimDisk
  readonly life: Life
  readonly machine: SimMachine
  readonly fake: SimProviders
  readonly engine: Engine
}

/** ms; every look takes a while, so that what was written lately is told from what is old. */
export function newDisk(): SimDisk {
  let nowMs = 1_795_000_000_000
  return new SimDisk(() => {
    nowMs += 1
    return nowMs
  })
}

/** The agent starts. Throws as openEngine. */
export function start(disk: SimDisk): SimGround {
  const life = new Life(disk)
  let nowMs = 1_795_000_000_000
  const now = () => {
    nowMs += 100
    return nowMs
  }
  const machine = openSimMachine(life, { state, run: async argv => command(disk, argv) })
  const fake = openSimProviders(life)
  const listen = () => ({ listen: () => {}, stale: () => [], close: () => {} })
  const engine = engineOn({
    ...{ machine, now, where: machine.where, providers: fake.providers },
    random: () => 0.5,
    probe: async () => undefined,
    timing: { now: () => 0, wait: async () => {} },
    ears: { listen, queuedMax: 16, after: () => () => {} },
    close: () => life.end(),
  })
  return { disk, life, machine, fake, engine }
}

/** `touch NAME`, `rm -f NAME`, `true` and `false`. */
function command(disk: SimDisk, argv: readonly string[]) {
  const [verb, ...words] = argv
  const name = words.at(-1) ?? ''
  const there = disk.root.entries.has(name)
  if (verb === 'touch' && !there)
    disk.add(disk.root, name, 'file', { mode: 0o644, ...owner }, new Uint8Array())
  if (verb === 'rm' && there) disk.unlink(disk.root, name)
  return { code: verb === 'false' ? 1 : 0, timedOut: false, output: '' }
}

/** Writes files, durably; a trailing `/` makes a directory, `-> ` in content a link. */
export function fill(disk: SimDisk, files: Readonly<Record<string, string>>): void {
  for (const [path, content] of Object.entries(files)) {
    let at = disk.root
    const names = path.split('/').slice(1)
    const name = names.pop()!
    for (const each of names)
      at = at.entries.get(each) ?? disk.add(at, each, 'directory', { mode: 0o755, ...owner })
    if (name === '') continue
    if (content.startsWith('-> ')) disk.add(at, name, 'link', { mode: 0o777, ...owner }, content.slice(3))
    else disk.add(at, name, 'file', { mode: 0o644, ...owner }, new TextEncoder().encode(content))
  }
  disk.flush()
}

export function seen(disk: SimDisk): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  const visit = (above: string, node: SimDisk['root']) => {
    for (const name of disk.list(node)) {
      const path = `${above}/${name}`
      if (path === '/var') continue
      const child = node.entries.get(name)!
      const { kind, mode, uid, gid, target } = child
      const content = kind === 'file' ? new TextDecoder().decode(disk.read(child)) : target
      found[path] = `${kind} ${mode.toString(8)} ${uid}:${gid} ${content}`
      if (kind === 'directory') visit(path, child)
    }
  }
  visit('', disk.root)
  for (const [id, each] of [...disk.resources].sort()) found[id] = each
  return found
}

/** Names left in the engine's folder of saved originals. */
export const savedNames = (disk: SimDisk) => disk.list(disk.find(`${state}/saved`)!)

export const tree: Readonly<Record<string, string>> = {
  '/etc/motd': 'old motd\n',
  '/etc/conf': '#Root yes\nother\nRoot maybe\nlast',
  '/etc/alias': '-> motd',
  '/etc/moded': 'x',
  '/etc/excl/one': '1',
  '/etc/excl/sub/two': '2',
  '/etc/gone/a': 'a',
  '/etc/single': 's',
  '/etc/sysctl.d/': '',
  '/opt/': '',
}

const archive = (version: string) =>
  new TextDecoder().decode(tar({ name: 'bin', content: version }, { name: 'dir/more', content: version }))

/** Parts of roles; `v` is 1 or 2. In a role they keep this order. */
export const parts: readonly ((v: string) => readonly Step[])[] = [
  v => [
    mkdir('/srv'),
    mkdir('/srv/app', { mode: v === '1' ? '0750' : '0755' }),
    copy('/srv/app/f', `f ${v}`),
    copy(`/srv/app/g${v}`, 'g'),
  ],
  v => [
    mkdir('/new'),
    mkdir('/new/deep'),
    copy('/new/deep/a', v),
    copy('/new/deep/b', 'b'),
    copy(`/new/c${v}`, 'c'),
  ],
  v => [copy('/etc/motd', `motd ${v}\n`, { mode: v === '1' ? '0600' : '0644' })],
  v => [link('/etc/alias', v === '1' ? 'conf' : 'hosts')],
  v => [line('/etc/conf', `Root ${v}`, '^#?Root')],
  () => [line('/etc/conf', 'appended')],
  v => [v === '1' ? absent('/etc/single') : copy('/etc/single', 'mine')],
  () => [absent('/etc/gone')],
  v => [mkdir('/etc/excl', { exclusive: '' }), copy('/etc/excl/three', v)],
  v => [step('MODE', ['/etc/moded'], { mode: v === '1' ? '0600' : '0640' })],
  v => [
    step('GROUP', ['deploy'], { gid: v === '1' ? '2001' : '2002' }),
    step('USER', ['deploy'], { uid: '2001', group: 'deploy', shell: v === '1' ? '/bin/sh' : '/bin/bash' }),
  ],
  v => [step('SYSCTL', ['vm.swappiness', `${v}0`])],
  () => [step('PACKAGE', ['tool'])],
  v => [
    step('PACKAGE', ['web']),
    step('SERVICE', ['web.service'], v === '1' ? { stopped: '' } : { running: '', enabled: '' }),
    copy('/etc/web', v),
  ],
  v => [step('UNPACK', ['files/app.tar', '/opt'], { version: v }, archive(v))],
  () => [run('touch ran', { undo: 'rm -f ran' })],
  () => [run('touch reloaded', { on: '/etc/motd', undo: 'rm -f reloaded' })],
]

/** `''`: the part is not in the role. */
export const stepsOf = (choice: readonly string[]) =>
  choice.flatMap((v, at) => (v === '' ? [] : parts[at]!(v)))
