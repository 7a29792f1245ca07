// Tiny Debian packages, built by dpkg-deb.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Offer {
  readonly depends?: string
  readonly conflicts?: string
  /** Path -> content. */
  readonly files?: Readonly<Record<string, string>>
  readonly conffiles?: readonly string[]
  /** Maintainer scripts by name: shell. */
  readonly scripts?: Readonly<Record<string, string>>
}

/** As apt calls the file. */
export function debName(name: string, version: string): string {
  return `${name}_${version.replaceAll(':', '%3a')}_all.deb`
}

/** Into a folder. The package says its version in /usr/share/doc/NAME/version. */
export function buildDeb(folder: string, name: string, version: string, offer: Offer = {}): void {
  const { depends, conflicts, files = {}, conffiles = [], scripts = {} } = offer
  const tree = fs.mkdtempSync(join(tmpdir(), 'fleet-deb-'))
  const write = (path: string, text: string, mode = 0o644) => {
    const file = join(tree, path)
    fs.mkdirSync(file.slice(0, file.lastIndexOf('/')), { recursive: true })
    fs.writeFileSync(file, text, { mode })
  }
  fs.chmodSync(tree, 0o755)
  const fields = [
    `Package: ${name}\nVersion: ${version}\nArchitecture: all\nMaintainer: fleet <fleet@example.org>`,
    ...(depends ? [`Depends: ${depends}`] : []),
    ...(conflicts ? [`Conflicts: ${conflicts}`] : []),
    'Description: for tests',
  ]
  write('DEBIAN/control', `${fields.join('\n')}\n`)
  if (conffiles.length > 0) write('DEBIAN/conffiles', `${conffiles.join('\n')}\n`)
  for (const [script, text] of Object.entries(scripts))
    write(`DEBIAN/${script}`, `#!/bin/sh\nset -e\n${text}\n`, 0o755)
  write(`usr/share/doc/${name}/version`, version)
  for (const [path, text] of Object.entries(files)) write(path, text)
  const target = join(folder, debName(name, version))
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '--build', tree, target], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  fs.rmSync(tree, { recursive: true })
}
