// A whole fleet in one folder, as a slot or an archive holds it: the bundle of dist/, its native parts, and Node.js. What
// goes into dist/ is bin/bundle.ts's.
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CliError } from './command.ts'

/** Not in dist/, since it finds its native binary by its own path; what it needs is found in its package.json. */
const outside = [
  'classic-level',
  'abstract-level',
  'module-error',
  'napi-macros',
  'node-gyp-build',
  'maybe-combine-errors',
  'buffer',
  'base64-js',
  'ieee754',
  'is-buffer',
  'level-supports',
  'level-transcoder',
]
const files = [
  'bin/fleet',
  'package.json',
  'LICENSE',
  'README.md',
  'packaging/fleet.service',
  'packaging/launcher.sh',
] as const

/** `root`: a checkout with dist/, or another such folder. `into` is made. */
export function assemble(root: string, into: string): void {
  if (!existsSync(join(root, 'dist/fleet.js')))
    throw new CliError(`${root} has no dist/`, { hint: 'npm run bundle makes it' })
  for (const file of files) {
    if (!existsSync(join(root, file))) continue
    mkdirSync(dirname(join(into, file)), { recursive: true })
    copyFileSync(join(root, file), join(into, file))
  }
  chmodSync(join(into, 'bin/fleet'), 0o755)
  const options = { recursive: true, dereference: true } as const
  cpSync(join(root, 'dist'), join(into, 'dist'), options)
  for (const name of outside) {
    const from = join(root, 'node_modules', name)
    if (existsSync(from)) cpSync(from, join(into, 'node_modules', name), options)
  }
  mkdirSync(join(into, 'node_modules/.bin'), { recursive: true })
  copyFileSync(realpathSync(process.execPath), join(into, 'node_modules/.bin/node'))
  chmodSync(join(into, 'node_modules/.bin/node'), 0o755)
}
