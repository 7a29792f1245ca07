// A machine of rpm packages for tests: a root directory of its own that dnf fills from a local source of tiny packages.
// Needs dnf, rpmbuild and createrepo_c; on Debian they come as packages.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedHat {
  readonly root: string
  /** For the provider. */
  readonly state: string
  /** Adds version-1 to the source; it brings /etc/NAME.conf. */
  offer(name: string, version: string, options?: { requires?: string; conflicts?: string }): void
  /** No longer offered. */
  withdraw(name: string, version: string): void
  /** dnf by hand. */
  dnf(...words: string[]): void
  read(path: string): string
  exists(path: string): boolean
  write(path: string, text: string): void
  close(): void
}

const quiet = { stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }

/** Undefined where it cannot be had. */
export function openRedHat(): RedHat | undefined {
  const has = (tool: string) =>
    (process.env['PATH'] ?? '').split(':').some(path => fs.existsSync(join(path, tool)))
  if (process.getuid?.() !== 0 || !['dnf', 'rpm', 'rpmbuild', 'createrepo_c'].every(has)) return undefined
  const folder = fs.mkdtempSync(join(tmpdir(), 'fleet-rpm-'))
  const [root, state, build, source] = ['root', 'state', 'build', 'source'].map(name => {
    fs.mkdirSync(join(folder, name))
    return join(folder, name)
  }) as [string, string, string, string]
  const at = (path: string) => `${root}${path}`
  const write = (path: string, text: string) => {
    fs.mkdirSync(path.slice(0, path.lastIndexOf('/')), { recursive: true })
    fs.writeFileSync(path, text)
  }
  const index = () => execFileSync('createrepo_c', ['-q', source], quiet)

  write(at('/etc/dnf/dnf.conf'), '[main]\ngpgcheck=0\n')
  const lines = ['[local]', 'name=local', `baseurl=file://${source}`, 'enabled=1', 'metadata_expire=86400']
  write(at('/etc/yum.repos.d/local.repo'), `${lines.join('\n')}\n`)
  fs.mkdirSync(at('/usr'))
  execFileSync('rpm', ['--root', root, '--initdb'], quiet)
  index()

  return {
    root,
    state,
    offer: (name, version, { requires, conflicts } = {}) => {
      const spec = `${build}/${name}.spec`
      write(
        spec,
        [
          `Name: ${name}\nVersion: ${version}\nRelease: 1\nSummary: for tests\nLicense: none\nBuildArch: noarch`,
          ...(requires ? [`Requires: ${requires}`] : []),
          ...(conflicts ? [`Conflicts: ${conflicts}`] : []),
          `%description\nfor tests\n%install\nmkdir -p %{buildroot}/usr/share/${name} %{buildroot}/etc`,
          `echo ${version} >%{buildroot}/usr/share/${name}/version; echo ${version} >%{buildroot}/etc/${name}.conf`,
          `%files\n%dir /usr/share/${name}\n/usr/share/${name}/version\n%config(noreplace) /etc/${name}.conf\n`,
        ].join('\n'),
      )
      const defines = [
        `_topdir ${build}`,
        `_rpmdir ${source}`,
        '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.rpm',
      ]
      execFileSync(
        'rpmbuild',
        ['-bb', '--quiet', ...defines.flatMap(each => ['--define', each]), spec],
        quiet,
      )
      index()
    },
    withdraw: (name, version) => {
      fs.rmSync(`${source}/${name}-${version}-1.rpm`)
      index()
    },
    dnf: (...words) => {
      execFileSync('dnf', ['-q', '-y', `--installroot=${root}`, ...words], quiet)
    },
    read: path => fs.readFileSync(at(path), 'utf8'),
    exists: path => fs.existsSync(at(path)),
    write: (path, text) => write(at(path), text),
    close: () => fs.rmSync(folder, { recursive: true, force: true }),
  }
}
