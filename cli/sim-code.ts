// Which code is running: a digest of all sources that a simulation depends on, so that a campaign goes on only with
// seeds that were run by the same.
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folders = ['gossip', 'node', 'signing', 'sim']

/** Twelve hex digits. Of the sources, or of a bundle's chunks; with the version of Node.js, whose results may differ. */
export function codeDigest(): string {
  const hash = createHash('sha256').update(process.version)
  for (const file of sources()) {
    const bytes = readFileSync(file)
    hash.update(`${bytes.length} `).update(bytes)
  }
  return hash.digest('hex').slice(0, 12)
}

function sources(): string[] {
  const here = fileURLToPath(new URL('.', import.meta.url))
  if (!import.meta.url.endsWith('.ts')) return named(here, '.js', false)
  const root = join(here, '..')
  return [...folders.flatMap(each => named(join(root, each), '.ts', true)), join(root, 'package-lock.json')]
}

function named(folder: string, ending: string, recursive: boolean): string[] {
  return readdirSync(folder, { recursive, encoding: 'utf8' })
    .filter(each => each.endsWith(ending))
    .sort()
    .map(each => join(folder, each))
}
