// Tiny Debian packages, made for a test and put into the pool of its lab.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { command } from './command.ts'
import type { Lab } from './lab.ts'

export interface Deb {
  readonly name: string
  readonly version: string
  /** Path -> content; those in /bin and /usr/bin are executable, those in /etc configuration files. */
  readonly files: Readonly<Record<string, string>>
  readonly depends?: string
}

/** Builds them and makes the pool's index anew. */
export async function addToPool(lab: Lab, debs: readonly Deb[]): Promise<void> {
  for (const { name, version, files, depends } of debs) {
    const folder = mkdtempSync(join(tmpdir(), 'fleet-lab-deb-'))
    chmodSync(folder, 0o755)
    const put = (path: string, content: string) => {
      const file = join(folder, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, content)
      chmodSync(file, path.includes('/bin/') ? 0o755 : 0o644)
    }
    for (const [path, content] of Object.entries(files)) put(path, content)
    const control = [
      ...[
        `Package: ${name}`,
        `Version: ${version}`,
        'Architecture: all',
        'Maintainer: fleet lab <lab@example.org>',
      ],
      ...(depends === undefined ? [] : [`Depends: ${depends}`]),
      ...['Description: made by a test', ''],
    ]
    put('DEBIAN/control', control.join('\n'))
    const conffiles = Object.keys(files).filter(path => path.startsWith('/etc/'))
    put('DEBIAN/conffiles', conffiles.map(path => `${path}\n`).join(''))
    const file = join(lab.pool, `${name}_${version}_all.deb`)
    await command(['dpkg-deb', '--root-owner-group', '-Znone', '--build', folder, file])
    rmSync(folder, { recursive: true })
  }
  await lab.index()
}
