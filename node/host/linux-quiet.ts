// What is around a transaction of packages: services that are not to start yet, and unit files that systemd must read
// again. Not by masking units, for a masked unit cannot be enabled by its package: by Debian's own policy-rc.d, which
// package scripts ask before they start anything.
import * as fs from 'node:fs'
import { underSystemd } from './linux-outside.ts'
import { run } from './linux-run.ts'

const timeoutMs = 60_000
/** A line a unit, all of them: of a host with thousands. Bytes. */
const outputMax = 64 * 1024
const unitDirectories = ['/usr/lib/systemd/system', '/lib/systemd/system', '/etc/systemd/system']
/** A file that says so is ours, also after a crash. */
const mark = '# fleet: nothing starts before it is configured'

export interface Policy {
  /**
   * Does it while package scripts start none of `units` that does not run already; in a root that is not the machine
   * itself, none at all. A policy that somebody else made stays as it is.
   */
  around<T>(units: readonly string[], work: () => Promise<T>): Promise<T>
  /** One that a crash left. */
  left(): boolean
  remove(): void
}

/** `root`: a real path. */
export function openPolicy(root: string): Policy {
  const path = root === '/' ? '/usr/sbin/policy-rc.d' : `${root}/usr/sbin/policy-rc.d`
  const left = () => fs.existsSync(path) && fs.readFileSync(path, 'utf8').includes(mark)
  const remove = () => {
    if (left()) fs.rmSync(path)
  }
  return {
    left,
    remove,
    around: async (units, work) => {
      const idle = root === '/' ? await idleOf(units) : ['*']
      if (idle.length === 0 || (fs.existsSync(path) && !left())) return await work()
      // Units are asked for by their name, services of init scripts without `.service`.
      const known = new Set(idle.flatMap(unit => [unit, unit.replace(/\.service$/, '')]))
      const names = [...known].map(name => (name === '*' ? name : `'${name}'`)).join('|')
      const script = [
        '#!/bin/sh',
        mark,
        `case "$2" in *stop*) exit 0 ;; esac`,
        `case "$1" in ${names}) exit 101 ;; esac`,
      ]
      fs.writeFileSync(path, `${script.join('\n')}\n`, { mode: 0o755, flush: true })
      try {
        return await work()
      } finally {
        remove()
      }
    },
  }
}

/** Does it; systemd reads unit files again if there are others afterwards. */
export async function reloading<T>(root: string, work: () => Promise<T>): Promise<T> {
  const before = look()
  try {
    return await work()
  } finally {
    if (underSystemd(root) && look() !== before) await run(['systemctl', 'daemon-reload'], { timeoutMs })
  }
}

/** Those that do not run. */
async function idleOf(units: readonly string[]): Promise<readonly string[]> {
  if (units.length === 0 || !underSystemd('/')) return []
  const { output } = await run(['systemctl', 'is-active', ...units], { timeoutMs, outputMax })
  const states = output.trim().split('\n')
  return units.filter((_, index) => ['inactive', 'failed', 'unknown'].includes(states[index] ?? ''))
}

function look(): string {
  const stats = unitDirectories.map(path => fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0)
  return stats.join(' ')
}
