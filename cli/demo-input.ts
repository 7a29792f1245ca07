// Real input for the demo: configuration trees of Debian packages, or copies of this machine's own /etc. Only what every
// user may read, and never keys.
import { execFileSync } from 'node:child_process'
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from './command.ts'

const ownFolders = ['default', 'systemd', 'security', 'logrotate.d', 'profile.d'] as const
const packages = ['nginx-common', 'openssh-server', 'postgresql-common'] as const
/** Of one file: configuration is small, what is larger is data. */
const fileBytesMax = 256 * 1024

export interface DemoTree {
  /** Folder below files/ in the repository. */
  readonly source: string
  /** Where it goes on a host. */
  readonly target: string
}

/**
 * Fills `files`, the repository's files/, and says what goes where. With `real`, the etc/ trees of three Debian packages
 * (apt-get download, which needs Debian's archive); else this machine's own.
 */
export function demoInput(files: string, real: boolean): DemoTree[] {
  return real ? fromPackages(files) : fromThisMachine(files)
}

function fromThisMachine(files: string): DemoTree[] {
  const trees: DemoTree[] = []
  for (const name of ownFolders) {
    if (copyTree(join('/etc', name), join(files, name)) > 0)
      trees.push({ source: `files/${name}`, target: `/etc/${name}` })
  }
  if (trees.length === 0)
    throw new CliError('found nothing to copy in /etc/default, /etc/systemd and their like')
  return trees
}

function fromPackages(files: string): DemoTree[] {
  return packages.flatMap(name => {
    const work = join(files, '..', '.git', `demo-${name}`)
    mkdirSync(work, { recursive: true })
    try {
      execFileSync('apt-get', ['download', name], { cwd: work, stdio: 'pipe' })
      const archive = readdirSync(work).find(each => each.endsWith('.deb'))
      if (archive === undefined) throw new Error('no archive came')
      execFileSync('dpkg-deb', ['-x', archive, 'tree'], { cwd: work, stdio: 'pipe' })
    } catch (error) {
      throw new CliError(`apt-get download ${name} failed: ${(error as Error).message}`, {
        hint: 'without --real the demo needs no network',
      })
    }
    copyTree(join(work, 'tree', 'etc'), join(files, name))
    rmSync(work, { recursive: true })
    return { source: `files/${name}`, target: `/srv/${name}/etc` }
  })
}

/** World-readable files and links below `from`; answers how many. Names that look like keys stay where they are. */
function copyTree(from: string, to: string): number {
  let count = 0
  for (const entry of list(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (/key|secret|passw|shadow|\.pem$/i.test(entry.name)) continue
    if (entry.isDirectory()) count += copyTree(source, target)
    else if (entry.isSymbolicLink()) {
      mkdirSync(to, { recursive: true })
      symlinkSync(readlinkSync(source), target)
      count++
    } else if (entry.isFile()) {
      const { mode, size } = lstatSync(source)
      if ((mode & 0o004) === 0 || size > fileBytesMax) continue
      mkdirSync(to, { recursive: true })
      copyFileSync(source, target)
      count++
    }
  }
  return count
}

function list(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}
