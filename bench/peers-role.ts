// The mixed role of 30 steps, as data that each tool's file is made from, and whether it came true. It is tried in a
// copy of this machine that exists only as long as it is used: an overlay over `/` in namespaces of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { until } from '../cli/demo-stage.ts'

export type Item =
  | { readonly kind: 'group'; readonly name: string; readonly id: number }
  | {
      readonly kind: 'user'
      readonly name: string
      readonly id: number
      readonly group: string
      readonly home: string
    }
  /** Installed already. */
  | { readonly kind: 'package'; readonly name: string }
  | { readonly kind: 'directory'; readonly path: string; readonly mode: string; readonly owner?: string }
  /** `from`: below the role's files. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: string; readonly from: string }
  /** The same text in each tool's own language, with one variable. */
  | { readonly kind: 'template'; readonly path: string; readonly mode: string; readonly from: string }
  /** `text` in place of the line that `match` begins. */
  | { readonly kind: 'line'; readonly path: string; readonly text: string; readonly match: string }
  | { readonly kind: 'link'; readonly path: string; readonly to: string }
  | { readonly kind: 'absent'; readonly path: string }

export interface Role {
  readonly items: readonly Item[]
  /** Folder of the payloads, inside `project`. */
  readonly files: string
  /** A repository of ours. */
  readonly project: string
  /** Value of the templates' variable. */
  readonly variable: string
}

const home = '/opt/peers'
const configured = '/etc/peers.conf'

/** Thirty, of what each of the tools can do on a machine that may have no systemd. */
const items: readonly Item[] = [
  { kind: 'group', name: 'peersapp', id: 4201 },
  { kind: 'group', name: 'peersops', id: 4202 },
  { kind: 'user', name: 'peersapp', id: 4201, group: 'peersapp', home },
  { kind: 'user', name: 'peersops', id: 4202, group: 'peersops', home },
  { kind: 'user', name: 'peersaudit', id: 4203, group: 'peersops', home },
  ...['bash', 'coreutils', 'grep', 'sed', 'tar'].map(name => ({ kind: 'package', name }) as const),
  { kind: 'directory', path: home, mode: '0755' },
  { kind: 'directory', path: `${home}/bin`, mode: '0755' },
  { kind: 'directory', path: `${home}/etc`, mode: '0750' },
  { kind: 'directory', path: `${home}/log`, mode: '0700', owner: 'peersapp' },
  { kind: 'directory', path: `${home}/run`, mode: '0755', owner: 'peersops' },
  ...[1, 2, 3, 4, 5, 6].map(
    n => ({ kind: 'file', path: `${home}/etc/part${n}.conf`, mode: '0640', from: `part${n}` }) as const,
  ),
  ...[1, 2].map(
    n => ({ kind: 'file', path: `${home}/bin/tool${n}`, mode: '0755', from: `tool${n}` }) as const,
  ),
  ...[1, 2].map(
    n => ({ kind: 'template', path: `${home}/etc/main${n}.conf`, mode: '0644', from: `main${n}` }) as const,
  ),
  ...['limit', 'depth', 'width'].map(
    name => ({ kind: 'line', path: configured, text: `${name} 10`, match: `^${name} ` }) as const,
  ),
  { kind: 'link', path: `${home}/current`, to: 'etc' },
  { kind: 'absent', path: '/etc/peers.old' },
]

const variable = 'web1'
const templateOf = (from: string, hole: string) => `# ${from}\nname ${hole}\nlisten 8080\n`

/** Writes the payloads into a repository of ours. */
export function makeRole(project: string): Role {
  const files = join(project, 'files')
  fs.mkdirSync(files, { recursive: true })
  for (const item of items) {
    if (item.kind === 'file') fs.writeFileSync(join(files, item.from), payloadOf(item.from))
    if (item.kind !== 'template') continue
    const holes = {
      tmpl: ['', '$' + '{var.site}'],
      mustache: ['', '{{site}}'],
      j2: ['', '{{ site }}'],
      epp: ['<%- | $site | -%>\n', '<%= $site %>'],
    }
    for (const [ending, [head, hole]] of Object.entries(holes))
      fs.writeFileSync(join(files, `${item.from}.${ending}`), head + templateOf(item.from, hole!))
  }
  fs.writeFileSync(join(project, 'vars.toml'), `[default]\nsite = "${variable}"\n`)
  return { items, files, project, variable }
}

const payloadOf = (from: string) => `# ${from}\n${'setting = value\n'.repeat(50)}`

/** Why the role is not in force below `root`; undefined: it is. */
export function roleFault(root: string): string | undefined {
  const read = (path: string) => fs.readFileSync(root + path, 'utf8')
  const accounts = (database: string) => read(`/etc/${database}`).split('\n')
  const faultOf = (item: Item): string | undefined => {
    switch (item.kind) {
      case 'group':
        return accounts('group').some(line => line.startsWith(`${item.name}:x:${item.id}:`))
          ? undefined
          : item.name
      case 'user': {
        const found =
          accounts('passwd')
            .find(line => line.startsWith(`${item.name}:`))
            ?.split(':') ?? []
        const gid = items.find(each => each.kind === 'group' && each.name === item.group) as { id: number }
        const right = found[2] === String(item.id) && found[3] === String(gid.id) && found[5] === item.home
        return right && found[6] === '/bin/sh' ? undefined : item.name
      }
      case 'package':
        return fs.existsSync(`${root}/var/lib/dpkg/info/${item.name}.list`) ? undefined : item.name
      case 'line': {
        const lines = read(item.path).split('\n')
        const same = lines.filter(line => new RegExp(item.match).test(line))
        return same.length === 1 && same[0] === item.text ? undefined : `${item.path}: ${item.text}`
      }
      case 'link':
        return fs.readlinkSync(root + item.path) === item.to ? undefined : item.path
      case 'absent':
        return fs.existsSync(root + item.path) ? item.path : undefined
      default: {
        const stat = fs.statSync(root + item.path)
        const owner = item.kind === 'directory' && item.owner ? item.owner : undefined
        const uid = (
          items.find(each => each.kind === 'user' && each.name === owner) as { id: number } | undefined
        )?.id
        if ((stat.mode & 0o7777) !== Number.parseInt(item.mode, 8) || stat.uid !== (uid ?? 0))
          return item.path
        if (item.kind === 'directory') return undefined
        const right = item.kind === 'file' ? payloadOf(item.from) : templateOf(item.from, variable)
        return read(item.path) === right ? undefined : item.path
      }
    }
  }
  for (const item of items)
    try {
      const fault = faultOf(item)
      if (fault !== undefined) return fault
    } catch (error) {
      return (error as Error).message
    }
  return undefined
}

/** A copy of this machine to write on. What is done in it is seen nowhere else, and gone when it is closed. */
export class Copy {
  readonly #holder: ChildProcess
  /** Where it is seen from outside. */
  readonly root: string
  readonly #inside: readonly string[]

  private constructor(holder: ChildProcess, pid: number, merged: string) {
    this.#holder = holder
    this.root = `/proc/${pid}/root${merged}`
    this.#inside = ['nsenter', '-t', String(pid), '-m', '-p', 'chroot', merged]
  }

  /** Undefined: this machine or user cannot (no root, or no overlays). `dir` must be empty, and no tmpfs of the copy. */
  static async open(dir: string): Promise<Copy | undefined> {
    const [upper, work, merged] = ['upper', 'work', 'merged'].map(name => join(dir, name)) as [
      string,
      string,
      string,
    ]
    for (const each of [upper, work, merged]) fs.mkdirSync(each, { recursive: true })
    fs.mkdirSync(join(upper, 'etc'))
    fs.chmodSync(join(upper, 'etc'), 0o755)
    fs.writeFileSync(upper + configured, '# made by hand\nlimit 5\ndepth 5\nother 1\n')
    fs.writeFileSync(join(upper, 'etc/peers.old'), 'old\n')
    const ready = join(dir, 'ready')
    const script = [
      'set -e',
      'mount --make-rprivate /',
      `mount -t overlay -o lowerdir=/,upperdir=${upper},workdir=${work} overlay ${merged}`,
      `mount -t proc proc ${merged}/proc`,
      `mount --rbind /dev ${merged}/dev`,
      `mount -t sysfs -o ro sysfs ${merged}/sys`,
      `touch ${ready}`,
      'exec sleep infinity',
    ]
    const argv = ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-c', script.join('\n')]
    const holder = spawn('unshare', argv, { stdio: 'ignore' })
    const ended = new Promise<undefined>(resolve => {
      holder.once('exit', () => resolve(undefined))
      holder.once('error', () => resolve(undefined))
    })
    const up = until('a copy of this machine', () => fs.existsSync(ready) || undefined)
    if ((await Promise.race([up, ended])) === undefined) return undefined
    // unshare's one child is process 1 of the copy.
    const children = fs.readFileSync(`/proc/${holder.pid}/task/${holder.pid}/children`, 'utf8')
    return new Copy(holder, Number(children.trim()), merged)
  }

  /** The command that does this in the copy. */
  command(argv: readonly string[], cwd = '/'): readonly [string, ...string[]] {
    const [first, ...rest] = [...this.#inside, 'env', '-C', cwd, ...argv]
    return [first!, ...rest]
  }

  async close(): Promise<void> {
    const ended = new Promise(resolve => this.#holder.once('exit', resolve))
    if (this.#holder.exitCode !== null) return
    // Process 1 of the copy dies with it, and with that every mount.
    this.#holder.kill('SIGKILL')
    await ended
  }
}
