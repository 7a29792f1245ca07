// PACKAGE: a package of the machine's package manager is installed, in any or in one version, or is not. How that is
// brought about, and what comes along, is left to the provider (linux-apt.ts, linux-dnf.ts).
import type { Act, Answer, Look } from '../act.ts'
import { resourceId, type States } from '../resource.ts'
import type { Step } from '../steps/step.ts'
import type { Declared, VerbSpec } from './verb.ts'

/** The package that brings the agent. */
const ownPackage = 'fleet'

export const packageSpec: VerbSpec = {
  name: 'PACKAGE',
  summary: 'Installs a package, in any or in one version, or keeps it away.',
  example: 'PACKAGE nginx version=1.22.1-9',
  about: [
    'Without version= any version will do: the newest that the machine knows when the package is missing, and from then on the one that is there. fleet upgrades nothing by itself.',
    'PACKAGE steps that follow each other are one transaction of apt or dnf. It is simulated first: one that would remove, downgrade or change a held package that no step names is refused (PACKAGE_CONFLICT). What packages need comes along; recommended packages do as the configuration of apt or dnf says.',
    'Configuration files that were edited stay as they are (`--force-confdef --force-confold`). The lists of packages are fetched anew when /etc/apt has changed or the package or version is not known. Everything is downloaded before the first change; a lock held by another package manager, missing space or an unreachable mirror make the run wait.',
    'A unit that has a SERVICE step and does not run is not started by scripts of packages (policy-rc.d says so while the transaction lasts), so that it does not run before it is configured.',
    'The package file of a version that is replaced or removed is kept (at most 1 GiB, 3 versions of each), so that going back works when the mirror has forgotten it. Where it cannot be had, the plan shows the step as one-way.',
  ],
  leaves:
    'What it installed is removed, with what came along and nothing else needs; what it replaced or removed comes back in its version. Configuration files and data of removed packages are left behind and listed, unless undo=purge.',
  noticed: 'By the status file of dpkg, or the database of rpm, as soon as a package manager has written it.',
  args: [
    { name: 'NAME', kind: 'package', doc: 'As the package manager knows it; `NAME:ARCH` for a foreign one.' },
  ],
  options: {
    version: { kind: 'text', doc: 'Exactly this version, as the package manager writes it; default: any.' },
    absent: { kind: 'flag', doc: 'It is not installed; its configuration files stay.' },
    hold: { kind: 'flag', doc: 'No upgrade by others; default: no opinion.' },
    undo: {
      kind: 'oneof',
      values: ['purge'],
      doc: 'Whenever this step removes the package, its configuration and data go too; default: they stay.',
    },
  },
  key: step => step.args[0]!,
  resources: step => [idOf(step)],
  undo: () => 'compensating',
  check: ({ args, options }) => {
    if (args[0]?.replace(/:.*/, '') === ownPackage)
      return `found ${ownPackage}, the agent's own package; expected another (the agent is upgraded by: fleet agent upgrade)`
    if (options['absent'] !== undefined && (options['version'] ?? options['hold']) !== undefined)
      return 'found absent beside version= or hold; expected one or the other'
    const version = options['version']
    return version === undefined || /^[A-Za-z0-9][A-Za-z0-9.+:~^_-]{0,99}$/.test(version)
      ? undefined
      : `found version=${JSON.stringify(version.slice(0, 60))}; expected a version such as 1.22.1-9`
  },
}

const idOf = ({ args }: Declared) => resourceId('package', args[0]!)

export function planPackage(step: Step, look: Look): Answer {
  const { options } = step
  const now = look.state(idOf(step)) as States['package'] | null | undefined
  if (now === undefined)
    return { code: 'TOOL_MISSING', detail: 'found no database of packages; expected that of dpkg or rpm' }
  const purge = options['undo'] === 'purge' ? { purge: true } : {}
  const set = (to: States['package'] | null): Act[] => [
    { kind: 'set', id: idOf(step), from: now, to, ...purge },
  ]
  if (options['absent'] !== undefined) return now === null ? [] : set(null)

  const version = options['version'] ?? (now && isWhole(now) ? now.version : '')
  const held = options['hold'] === undefined ? (now?.held ?? false) : true
  // Declared is wanted for itself: nobody may clean it up as a dependency that is no longer needed.
  const kept = now && now.version === version && now.held === held && !now.automatic
  return kept ? [] : set({ version, held, automatic: false })
}

/** Not left in the middle by a transaction that broke off. */
export function isWhole({ version }: States['package']): boolean {
  return !version.includes(' ')
}
