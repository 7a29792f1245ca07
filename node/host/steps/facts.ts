// The facts that a guard or a template may ask for. Which value a host has is found out on the host.

/** Name -> what it says; every host reports each of them, '' where it does not apply. */
export const facts: Readonly<Record<string, string>> = {
  'os.id': 'ID of /etc/os-release: debian, ubuntu, rhel',
  'os.like': 'ID_LIKE of /etc/os-release: debian',
  'os.version': 'VERSION_ID of /etc/os-release: 12',
  'os.codename': 'VERSION_CODENAME of /etc/os-release: bookworm',
  arch: 'uname -m: x86_64, aarch64',
  kernel: 'uname -r: 6.1.0-28-amd64',
  machine: 'systemd-detect-virt: none, kvm, lxc',
  cpus: 'Processors that the agent may use: 8',
  'memory.mib': 'Memory, in MiB: 16010',
}
