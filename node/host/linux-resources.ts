// The providers of this machine, one per kind of resource. How each works is left to its own file.
import { openAccounts } from './linux-accounts.ts'
import { booted } from './linux-bus.ts'
import { openPackages } from './linux-packages.ts'
import { openSysctl } from './linux-sysctl.ts'
import { openUnitFiles } from './linux-unitfiles.ts'
import { openUnits } from './linux-units.ts'
import type { Kind, Provider, Providers } from './resource.ts'

/**
 * `root`: an existing directory, `/` for the machine itself; elsewhere a kind may have no provider. `state`: the engine's
 * state directory, where a provider keeps what it needs to go back.
 */
export function openProviders(root: string, state: string): Providers {
  const packages = openPackages(root, state)
  const providers: readonly Provider[] = [
    ...openAccounts(root),
    ...(packages ? [packages] : []),
    ...(root === '/' ? [openSysctl()] : []),
    root === '/' && booted() ? openUnits() : openUnitFiles(root),
  ]
  return new Map(providers.map(each => [each.kind, each] as [Kind, Provider]))
}
