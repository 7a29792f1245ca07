// Two walks of a host's whole disk, compared. What may differ without anybody having managed it is listed here, each with
// its reason; everything else is told.

import { inHostNode, scriptText } from './fleet.ts'
import type { Host } from './lab.ts'

/** Path -> what there is, as one line. */
export type Walk = ReadonlyMap<string, string>

/** Logs, caches and what only time changes. A `/` at the end: all below. */
export const unmanaged: Readonly<Record<string, string>> = {
  '/var/log/': 'logs',
  '/var/cache/apt/': "apt's caches: lists of packages, downloaded packages",
  '/var/cache/ldconfig/': "ldconfig's cache",
  '/var/cache/debconf/': 'answers of debconf, written at each transaction of dpkg',
  '/etc/ld.so.cache': "the dynamic linker's cache",
  '/var/lib/apt/': 'lists of the pool, marks of apt',
  '/var/lib/dpkg/status-old': 'the copy that dpkg makes before each transaction',
  '/var/lib/dpkg/available': 'what dselect knows; apt updates it',
  '/var/lib/dpkg/lock': 'an empty file that dpkg locks',
  '/var/lib/dpkg/lock-frontend': 'an empty file that apt locks',
  '/var/lib/dpkg/triggers/': 'files that dpkg locks and empties',
  '/var/lib/systemd/': 'stamps of timers, random seed, catalog',
  '/var/lib/fleet/': "the agent's own state",
  '/var/lib/private/': 'made by systemd when a unit asks for it',
  '/var/lib/dbus/': 'the machine id',
  '/var/lib/logrotate/': 'stamps of logrotate',
  '/var/tmp/': 'folders that systemd makes for units, named anew at each boot',
  '/root/.cache/': 'caches',
  '/etc/passwd-': 'the copy that useradd makes before each change',
  '/etc/group-': 'the same',
  '/etc/shadow-': 'the same',
  '/etc/gshadow-': 'the same',
  '/etc/subuid-': 'the same',
  '/etc/subgid-': 'the same',
  '/etc/.pwd.lock': 'an empty file that is locked while passwd is changed',
}

const script = scriptText('walk.mjs')

export async function walk(host: Host): Promise<Walk> {
  const argv = [
    inHostNode,
    '--input-type=module',
    '-',
    '/proc',
    '/sys',
    '/dev',
    '/run',
    '/tmp',
    '/opt/fleet',
    '/srv/pool',
  ]
  const { stdout } = await host.exec(argv, { input: script })
  const lines = stdout.trimEnd().split('\n')
  return new Map(lines.map(line => line.split('\t') as [string, string]))
}

/** `- path was`, `+ path is`, for every path that differs and is neither in `unmanaged` nor one of `left`, or below it. */
export function differences(before: Walk, after: Walk, left: readonly string[] = []): readonly string[] {
  const out = [...Object.keys(unmanaged), ...left, ...left.map(path => `${path}/`)]
  // A path that is left behind keeps the directories above it.
  const counts = (path: string) =>
    !out.some(each => path === each || (each.endsWith('/') && `${path}/`.startsWith(each))) &&
    !left.some(each => each.startsWith(`${path}/`))
  const told: string[] = []
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(path) === after.get(path) || !counts(path)) continue
    if (before.has(path)) told.push(`- ${path} ${before.get(path)}`)
    if (after.has(path)) told.push(`+ ${path} ${after.get(path)}`)
  }
  return told.sort((a, b) => (a.slice(2) < b.slice(2) ? -1 : 1))
}
