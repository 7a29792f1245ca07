// A package manager at work must outlive the agent. Under systemd it runs as a unit of its own, elsewhere in a process
// group of its own; what it says goes to a file, for a pipe would break with the agent. What is run is left to others.
import * as fs from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { run } from './linux-run.ts'
import type { Ran } from './system.ts'

const unit = 'fleet-packages.service'
/** As long as a package manager may take (DESIGN section 8: what waits for it waits half an hour). */
export const transactionMsMax = 30 * 60_000
const outputBytesMax = 256 * 1024

/** What keeps package scripts from asking questions. */
export const unasked = {
  DEBIAN_FRONTEND: 'noninteractive',
  NEEDRESTART_SUSPEND: '1',
  UCF_FORCE_CONFFOLD: '1',
}

/** Whether systemd is process 1 of what lies at `root`. */
export function underSystemd(root: string): boolean {
  return root === '/' && fs.existsSync('/run/systemd/system')
}

/** The command as it runs inside `root`. */
export function inside(root: string, argv: readonly string[]): readonly string[] {
  return root === '/' ? argv : ['chroot', root, ...argv]
}

/** Waits for its end. `log`: a file of ours, written anew. Errors: those of run(). */
export async function runOutside(root: string, argv: readonly string[], log: string): Promise<Ran> {
  const direct = ['/bin/sh', '-c', 'log=$1; shift; exec "$@" >"$log" 2>&1', 'sh', log, ...argv]
  const environment = { ...unasked, LC_ALL: 'C.UTF-8', HOME: '/root' }
  const asUnit = [
    ...['systemd-run', '--quiet', '--collect', '--wait', '--service-type=exec', `--unit=${unit}`],
    `--property=RuntimeMaxSec=${transactionMsMax / 1000}`,
    ...Object.entries(environment).map(([key, value]) => `--setenv=${key}=${value}`),
    ...['--', ...direct],
  ]
  const ran = await run(underSystemd(root) ? asUnit : direct, {
    timeoutMs: transactionMsMax + 10_000,
    env: unasked,
  })
  return { ...ran, output: (fs.existsSync(log) ? tail(log) : '') || ran.output }
}

/** After a crash of the agent: until what it began is over. */
export async function waitOutside(root: string, busy: () => boolean): Promise<void> {
  const began = Date.now()
  const running = async () =>
    underSystemd(root) &&
    (await run(['systemctl', 'is-active', '--quiet', unit], { timeoutMs: 10_000 })).code === 0
  while (Date.now() - began < transactionMsMax && (busy() || (await running()))) await wait(250)
}

function tail(path: string): string {
  const fd = fs.openSync(path, 'r')
  try {
    const { size } = fs.fstatSync(fd)
    const buffer = Buffer.alloc(Math.min(size, outputBytesMax))
    const read = fs.readSync(fd, buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8', 0, read)
  } finally {
    fs.closeSync(fd)
  }
}

/**
 * The process that holds one of these files under a lock of fcntl(2), as package managers do. Not by inode, for
 * /proc/locks and stat disagree about those on overlayfs: by what the lockers have open.
 */
export function lockHolder(paths: readonly string[]): number | undefined {
  let locks: string
  try {
    locks = fs.readFileSync('/proc/locks', 'utf8')
  } catch {
    return undefined
  }
  const pids = new Set([...locks.matchAll(/^\d+: POSIX +ADVISORY +WRITE +(\d+)/gm)].map(match => match[1]!))
  for (const pid of pids) {
    try {
      for (const fd of fs.readdirSync(`/proc/${pid}/fd`))
        if (paths.includes(fs.readlinkSync(`/proc/${pid}/fd/${fd}`))) return Number(pid)
    } catch {
      // It ended, or is not ours to look at.
    }
  }
  return undefined
}
