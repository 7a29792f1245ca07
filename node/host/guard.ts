// Core: which plans may cut the host off from its peers, and who says that they did not. A guarded run stays open in the
// journal until a witness has confirmed it; open at a restart, it is taken back like any other.
import type { Act } from './act.ts'
import { changes, type StepPlan } from './plan.ts'
import { kindOf, nameOf } from './resource.ts'

/** Whoever can tell that the host is still reached. The peers' half is in the agent. */
export interface Witness {
  /** Before the first act: `none` if nobody could confirm; else what confirm() needs to know them by. */
  before(): Promise<'none' | { readonly token: unknown }>
  /** After the last check: whether one of them reached the host anew within so many milliseconds. */
  confirm(token: unknown, withinMs: number): Promise<'confirmed' | 'silent'>
  /** After the run was taken back: whether they are heard again, so that the run was to blame. */
  heard(): Promise<boolean>
}

/** How long a guarded run may stay unconfirmed (DESIGN section 7). Milliseconds. */
export const confirmWithinMs = 120_000

/** Network, names, firewall, the way in for operators, and the agent itself. */
const paths =
  /^\/etc\/(ssh|network|netplan|NetworkManager|systemd\/(network|resolved[^/]*)|resolv\.conf|nftables[^/]*|iptables[^/]*|ufw|firewalld|hosts\.(allow|deny)|systemd\/system\/fleet\.service[^/]*)(\/|$)/
const units = new Set([
  ...[
    'ssh',
    'sshd',
    'networking',
    'NetworkManager',
    'systemd-networkd',
    'nftables',
    'firewalld',
    'ufw',
    'fleet',
  ],
])
const packages = new Set([
  ...['openssh-server', 'ifupdown', 'network-manager', 'nftables', 'ufw', 'firewalld'],
])

/** Whether a step's acts may cut the host off: by what they touch, or since the step says so (`guarded`). */
export function isGuarded(plan: StepPlan): boolean {
  if (!changes(plan)) return false
  return plan.step.options['guarded'] !== undefined || plan.acts.some(({ act }) => touchesTheWayIn(act))
}

function touchesTheWayIn(act: Act): boolean {
  if ('path' in act) return paths.test(act.path)
  if (act.kind !== 'set') return false
  const name = nameOf(act.id)
  switch (kindOf(act.id)) {
    case 'unit':
      return units.has(name.replace(/\.(service|socket)$/, ''))
    case 'package':
      return packages.has(name.replace(/:.*/, ''))
    case 'sysctl':
      return name.startsWith('net.') || name.startsWith('net/')
    default:
      return false
  }
}
