// A repository of the release in memory, for tests: path -> text; `->` makes a link, a `!` at the end of the path an
// executable file.
import { sha256 } from '../../../../node/host/digest.ts'
import type { Repository } from '../../../../node/host/steps/declare.ts'
import type { Host } from '../../../../node/host/steps/scope.ts'
import type { SourceFile } from '../../../../node/host/steps/sources.ts'

export function repository(content: Readonly<Record<string, string>>): Repository {
  const files = new Map<string, SourceFile>()
  const texts = new Map<string, string>()
  for (const [name, given] of Object.entries(content)) {
    const path = name.replace(/!$/, '')
    const text = given.replace(/^-> /, '')
    const bytes = new TextEncoder().encode(text)
    const mode = text !== given ? '120000' : path !== name ? '100755' : '100644'
    files.set(path, { mode, sha256: sha256(bytes), size: bytes.length })
    texts.set(path, text)
  }
  return { files, text: path => texts.get(path) }
}

export const web1: Host = {
  name: 'web1',
  labels: { role: 'web', dc: 'fra' },
  addresses: ['10.0.0.1'],
  facts: { 'os.id': 'debian', arch: 'x86_64' },
}

export const roster = [
  { name: 'web1', labels: { role: 'web', dc: 'fra' }, address: '10.0.0.1' },
  { name: 'db1', labels: { role: 'db', dc: 'fra' }, address: '10.0.0.2' },
  { name: 'db2', labels: { role: 'db', dc: 'ams' }, address: '10.0.0.3' },
]
