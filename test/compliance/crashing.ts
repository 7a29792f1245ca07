// Run as a program by repository-damage.test.ts: installs a pack and tags it, and kills itself at the Nth change of the disk.
// Arguments: folder, N, pack file, claim as JSON, tag file.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const [folder = '', at = '', pack = '', claim = '', tag = ''] = process.argv.slice(2)
let left = Number(at)
const change = () => {
  if (left-- === 0) process.kill(process.pid, 'SIGKILL')
}
for (const name of [
  'renameSync',
  'linkSync',
  'rmSync',
  'writeSync',
  'fsyncSync',
  'writeFileSync',
  'mkdirSync',
] as const) {
  const real = fs[name] as (...args: unknown[]) => unknown
  Object.assign(fs, {
    [name]: (...args: unknown[]) => {
      change()
      return real(...args)
    },
  })
}
syncBuiltinESMExports()

const { openRepository } = await import('../../node/git.ts')
const { port } = await openRepository(folder, { now: () => 0 })
await port.install(new Uint8Array(fs.readFileSync(pack)), JSON.parse(claim))
await port.putTag('refs/tags/fleet/2', new Uint8Array(fs.readFileSync(tag)))
await port.prune(new Set([JSON.parse(claim).commit]))
await port.close()
