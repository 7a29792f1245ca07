// The facts that a guard or a template may ask for, and what it means that they are frozen. Which value a host has is
// found out on the host.

/** Name -> what it says; every host reports each of them, '' where it does not apply. */
export const facts: Readonly<Record<string, string>> = {
  'os.id': 'ID of /etc/os-release: debian, ubuntu, rhel',
  'os.like': 'ID_LIKE of /etc/os-release: debian',
  'os.version': 'VERSION_ID of /etc/os-release: 12',
  'os.codename': 'VERSION_CODENAME of /etc/os-release: bookworm',
  arch: 'uname -m: x86_64, aarch64',
  kernel: 'uname -r: 6.1.0-28-amd64',
  hostname: 'uname -n: web1',
  virtualisation: 'As systemd-detect-virt names it: none, kvm, lxc',
  cpus: 'Processors that the agent may use: 8',
  memory: 'Memory, in MiB: 16010',
  address: 'The first address of the interface with the default route: 192.0.2.7',
  addresses: 'All addresses but loopback and link-local, IPv4 first, a blank between',
}

export type Facts = Readonly<Record<string, string>>

export interface FactChange {
  readonly name: string
  readonly from: string
  readonly to: string
}

/** What is kept of the facts with a run: those that its declaration asked for. Others cannot have mattered. */
export function frozen(all: Facts, asked: ReadonlySet<string>): Facts {
  return Object.fromEntries(Object.entries(all).filter(([name]) => asked.has(name)))
}

/** Which frozen facts are no longer so. */
export function changedFacts(before: Facts, now: Facts): readonly FactChange[] {
  return Object.entries(before).flatMap(([name, from]) => {
    const to = now[name] ?? ''
    return to === from ? [] : [{ name, from, to }]
  })
}
