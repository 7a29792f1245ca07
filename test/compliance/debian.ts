// A Debian machine for tests of packages: what this one has, under an overlay that takes all changes, with a local
// source of tiny packages. Only root on a Debian where overlays can be mounted has it.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildDeb, debName, type Offer } from '../debs.ts'

export interface Debian {
  readonly root: string
  /** For the provider. */
  readonly state: string
  /** Adds a version to the source. */
  offer(name: string, version: string, options?: Offer): void
  /** No longer offered. */
  withdraw(name: string, version: string): void
  /** Runs in it; answers what it said. */
  sh(script: string): string
  read(path: string): string
  exists(path: string): boolean
  close(): void
}

const quiet = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }

/** Undefined where it cannot be had. */
export function openDebian(): Debian | undefined {
  if (process.getuid?.() !== 0 || !fs.existsSync('/var/lib/dpkg/status')) return undefined
  const folder = fs.mkdtempSync(join(tmpdir(), 'fleet-debian-'))
  const [root, upper, state] = ['root', 'upper', 'state'].map(name => {
    fs.mkdirSync(join(folder, name))
    return join(folder, name)
  }) as [string, string, string]
  try {
    // A tmpfs of its own: what overlays need of their upper layer, whatever the temporary folder lies on.
    execFileSync('mount', ['-t', 'tmpfs', 'fleet', upper], quiet)
    fs.mkdirSync(`${upper}/u`)
    fs.mkdirSync(`${upper}/w`)
    const layers = `lowerdir=/,upperdir=${upper}/u,workdir=${upper}/w`
    execFileSync('mount', ['-t', 'overlay', 'fleet', '-o', layers, root], quiet)
    execFileSync('mount', ['--bind', '/dev', `${root}/dev`], quiet)
  } catch {
    close()
    return undefined
  }
  function close() {
    for (const mount of [`${root}/dev`, root, upper])
      try {
        execFileSync('umount', ['-l', mount], quiet)
      } catch {
        // Not mounted.
      }
    fs.rmSync(folder, { recursive: true, force: true })
  }

  const at = (path: string) => `${root}${path}`
  const sh = (script: string) =>
    execFileSync('chroot', [root, '/bin/sh', '-ec', script], { ...quiet, encoding: 'utf8' })
  const write = (path: string, text: string, mode = 0o644) => {
    fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
    fs.writeFileSync(path, text, { mode })
  }
  const index = () =>
    sh('cd /pool && dpkg-scanpackages -m . >Packages.new 2>/dev/null && mv Packages.new Packages')

  for (const path of [
    '/etc/apt/sources.list',
    '/etc/apt/sources.list.d',
    '/var/lib/apt/lists',
    '/var/cache/apt/archives',
  ])
    fs.rmSync(at(path), { recursive: true, force: true })
  for (const path of ['/etc/apt/sources.list.d', '/var/cache/apt/archives/partial'])
    fs.mkdirSync(at(path), { recursive: true })
  fs.mkdirSync(at('/pool'))
  write(at('/etc/apt/sources.list'), 'deb [trusted=yes] file:/pool ./\n')
  write(at('/etc/apt/apt.conf.d/99test'), 'APT::Sandbox::User "root";\nAcquire::Languages "none";\n')
  index()

  return {
    root,
    state,
    sh,
    close,
    read: path => fs.readFileSync(at(path), 'utf8'),
    exists: path => fs.existsSync(at(path)),
    offer: (name, version, offer) => {
      buildDeb(at('/pool'), name, version, offer)
      index()
    },
    withdraw: (name, version) => {
      fs.rmSync(at(`/pool/${debName(name, version)}`))
      index()
    },
  }
}
