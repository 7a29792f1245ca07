// The facts of this machine, for guards and templates (node/host/steps/facts.ts lists them). Looked up once per run and
// frozen with it; a fact that cannot be found out is ''.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { arch, availableParallelism, release, totalmem } from 'node:os'
import { facts as known } from './host/steps/facts.ts'

/** Every known fact; never fails. */
export function machineFacts(): Record<string, string> {
  const os = osRelease()
  const found: Record<string, string> = {
    'os.id': os['ID'] ?? '',
    'os.like': os['ID_LIKE'] ?? '',
    'os.version': os['VERSION_ID'] ?? '',
    'os.codename': os['VERSION_CODENAME'] ?? '',
    arch: machineArch[arch()] ?? arch(),
    kernel: release(),
    machine: virtualisation(),
    cpus: String(availableParallelism()),
    'memory.mib': String(Math.floor(totalmem() / 1024 ** 2)),
  }
  return Object.fromEntries(Object.keys(known).map(name => [name, found[name] ?? '']))
}

/** Node.js's names for what `uname -m` says. */
const machineArch: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64', arm: 'armv7l', ia32: 'i686' }

/** os-release(5): NAME=value, the value possibly quoted. */
function osRelease(): Record<string, string> {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      const lines = readFileSync(path, 'utf8').split('\n')
      return Object.fromEntries(
        lines.flatMap(line => {
          const match = /^([A-Z0-9_]+)=(["']?)(.*)\2$/.exec(line)
          return match ? [[match[1] ?? '', match[3] ?? '']] : []
        }),
      )
    } catch {
      // The next place.
    }
  }
  return {}
}

let machine: string | undefined

/** Asked once: a machine does not change what it is under a running process. */
function virtualisation(): string {
  machine ??= detectVirt()
  return machine
}

function detectVirt(): string {
  try {
    return execFileSync('systemd-detect-virt', {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: 2_000,
    }).trim()
  } catch (error) {
    // It says `none` with an exit code of 1.
    return String((error as { stdout?: string }).stdout ?? '').trim()
  }
}
