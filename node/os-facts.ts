// The facts of this machine, for guards and templates (node/host/steps/facts.ts lists them). Looked up once per run and
// frozen with it; a fact that cannot be found out is ''. Reads a few small files, starts no process.
import { closeSync, existsSync, openSync, readSync } from 'node:fs'
import { arch, availableParallelism, hostname, networkInterfaces, release, totalmem } from 'node:os'
import { facts as known } from './host/steps/facts.ts'
import { compareBytes } from './host/steps/sources.ts'

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
    hostname: hostname(),
    virtualisation: virtualisation(),
    cpus: String(availableParallelism()),
    memory: String(Math.floor(totalmem() / 1024 ** 2)),
    address: firstAddress(),
    addresses: globalAddresses().join(' '),
  }
  return Object.fromEntries(Object.keys(known).map(name => [name, found[name] ?? '']))
}

/** Node.js's names for what `uname -m` says. */
const machineArch: Record<string, string> = { x64: 'x86_64', arm64: 'aarch64', arm: 'armv7l', ia32: 'i686' }

/** os-release(5): NAME=value, the value possibly quoted. */
function osRelease(): Record<string, string> {
  const text = head('/etc/os-release') || head('/usr/lib/os-release')
  return Object.fromEntries(
    text.split('\n').flatMap(line => {
      const match = /^([A-Z0-9_]+)=(["']?)(.*)\2$/.exec(line)
      return match ? [[match[1] ?? '', match[3] ?? '']] : []
    }),
  )
}

/** Of one interface, or of all: neither loopback nor link-local; IPv4 first. */
function globalAddresses(name?: string): readonly string[] {
  const all = Object.entries(networkInterfaces()).flatMap(([each, found]) =>
    name === undefined || each === name ? (found ?? []) : [],
  )
  const global = all.filter(each => !each.internal && !/^(169\.254\.|fe[89ab])/.test(each.address))
  const of = (family: string) =>
    global.flatMap(each => (each.family === family ? [each.address] : [])).sort(compareBytes)
  return [...new Set([...of('IPv4'), ...of('IPv6')])]
}

/** Of the interface with the best default route, IPv4 before IPv6: proc(5), net/route and net/ipv6_route. */
function firstAddress(): string {
  const best = (rows: readonly (readonly [name: string, metric: number])[]) =>
    rows.toSorted((a, b) => a[1] - b[1])[0]?.[0]
  const four = head('/proc/net/route')
    .split('\n')
    .map(line => line.split(/\s+/))
    .flatMap(row =>
      row[1] === '00000000' && row[7] === '00000000' ? [[row[0]!, Number(row[6])] as const] : [],
    )
  const six = head('/proc/net/ipv6_route')
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .flatMap(row =>
      /^0{32}$/.test(row[0] ?? '') && row[1] === '00' && row[9] !== 'lo'
        ? [[row[9]!, Number.parseInt(row[5]!, 16)] as const]
        : [],
    )
  for (const [name, family] of [
    [best(four), '.'],
    [best(six), ':'],
  ] as const) {
    const address = name && globalAddresses(name).find(each => each.includes(family))
    if (address) return address
  }
  return ''
}

let machine: string | undefined

/** Asked once: a machine does not change what it is under a running process. */
function virtualisation(): string {
  machine ??= container() ?? virtualMachine()
  return machine
}

/** The marks that containers leave, in the order in which systemd-detect-virt(1) looks for them. */
function container(): string | undefined {
  const said = head('/run/systemd/container').trim() || head('/run/host/container-manager').trim()
  if (said !== '') return said
  if (existsSync('/run/.containerenv')) return 'podman'
  if (existsSync('/.dockerenv')) return 'docker'
  return /(^|\0)container=([a-z-]+)/.exec(head('/proc/1/environ'))?.[2]
}

/** What the firmware says of its maker, by the names of systemd-detect-virt(1). */
const makers: readonly (readonly [begins: string, name: string])[] = [
  ['Amazon EC2', 'amazon'],
  ['Google', 'google'],
  ['VMware', 'vmware'],
  ['VMW', 'vmware'],
  ['innotek GmbH', 'oracle'],
  ['VirtualBox', 'oracle'],
  ['Xen', 'xen'],
  ['Bochs', 'bochs'],
  ['Parallels', 'parallels'],
  ['BHYVE', 'bhyve'],
  ['Hyper-V', 'microsoft'],
  ['Virtual Machine', 'microsoft'],
  ['Apple Virtualization', 'apple'],
]

function virtualMachine(): string {
  const dmi = ['product_name', 'sys_vendor', 'board_vendor', 'bios_vendor'].map(name =>
    head(`/sys/class/dmi/id/${name}`).trim(),
  )
  const found = makers.find(([begins]) => dmi.some(each => each.startsWith(begins)))
  // Bare metal of these makers says so too: only with a hypervisor it is one of their machines.
  const guest = / hypervisor( |$)/m.test(head('/proc/cpuinfo'))
  if (found && (guest || found[1] !== 'amazon')) return found[1]
  const clocks = head('/sys/devices/system/clocksource/clocksource0/available_clocksource')
  if (clocks.includes('kvm-clock')) return 'kvm'
  if (clocks.includes('hyperv')) return 'microsoft'
  if (dmi.some(each => each.startsWith('QEMU') || each.startsWith('KVM')))
    return dmi.some(each => each.startsWith('KVM')) ? 'kvm' : 'qemu'
  if (head('/sys/hypervisor/type').trim() === 'xen') return 'xen'
  return guest ? 'vm-other' : 'none'
}

/** The first 4 KiB, '' if it cannot be read: /proc/cpuinfo makes as much as is asked for, and each processor takes time. */
function head(path: string): string {
  try {
    const fd = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(4096)
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0))
    } finally {
      closeSync(fd)
    }
  } catch {
    return ''
  }
}
