// What systemd must be told around a transaction of packages: units that are not to start yet are masked while it
// lasts, and changed unit files are read again. Nothing of it where systemd is not process 1.
import * as fs from 'node:fs'
import { underSystemd } from './linux-outside.ts'
import { run } from './linux-run.ts'

const timeoutMs = 60_000
const unitDirectories = ['/usr/lib/systemd/system', '/lib/systemd/system', '/etc/systemd/system']

/** Does it while those of `units` that do not run are masked; `record`: a file that remembers them over a crash. */
export async function quietly<T>(
  root: string,
  units: readonly string[],
  record: string,
  work: () => Promise<T>,
): Promise<T> {
  if (!underSystemd(root)) return await work()
  const idle = await idleOf(units)
  if (idle.length > 0) {
    fs.writeFileSync(record, JSON.stringify(idle), { flush: true })
    await run(['systemctl', 'mask', '--runtime', '--quiet', ...idle], { timeoutMs })
  }
  const before = look()
  try {
    return await work()
  } finally {
    await unmask(root, record)
    if (look() !== before) await run(['systemctl', 'daemon-reload'], { timeoutMs })
  }
}

/** Also after a crash. */
export async function unmask(root: string, record: string): Promise<void> {
  if (!underSystemd(root) || !fs.existsSync(record)) return
  const units = JSON.parse(fs.readFileSync(record, 'utf8')) as string[]
  await run(['systemctl', 'unmask', '--runtime', '--quiet', ...units], { timeoutMs })
  fs.rmSync(record)
}

/** Those that do not run, and of which nobody else made something at run time. */
async function idleOf(units: readonly string[]): Promise<readonly string[]> {
  const free = units.filter(unit => !fs.existsSync(`/run/systemd/system/${unit}`))
  if (free.length === 0) return []
  const { output } = await run(['systemctl', 'is-active', ...free], { timeoutMs })
  const states = output.trim().split('\n')
  return free.filter((_, index) => ['inactive', 'failed', 'unknown'].includes(states[index] ?? ''))
}

function look(): string {
  const stats = unitDirectories.map(path => fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return stats.join(' ')
}
