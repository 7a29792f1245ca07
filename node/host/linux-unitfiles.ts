// Whether units are enabled, by `systemctl --root`: for a machine that does not run, such as an image in a directory.
// There nothing can be started, and nothing is heard.
import { StepError } from './errors.ts'
import { run } from './linux-run.ts'
import { type Change, nameOf, type Provider, resourceId, type State } from './resource.ts'
import { missingDetail } from './verbs/unit.ts'

/** Milliseconds; links are made, nothing is waited for. */
const timeoutMs = 30_000

/** How it is said which units are enabled. Errors are StepErrors. */
export interface UnitFiles {
  /** As `systemctl is-enabled` says it; undefined: there is no such unit file. */
  state(unit: string): Promise<string | undefined>
  enable(unit: string, runtime: boolean): Promise<void>
  disable(unit: string, runtime: boolean): Promise<void>
  mask(unit: string, runtime: boolean): Promise<void>
  unmask(unit: string, runtime: boolean): Promise<void>
}

/** Makes a unit so; false: it was. What is neither enabled nor masked (static, indirect …) is as good as disabled. */
export async function setEnabled(files: UnitFiles, unit: string, wanted: string): Promise<boolean> {
  let now = await files.state(unit)
  const before = now
  const runtime = (state: string) => state.endsWith('-runtime')
  if (wanted === now) return false
  if (wanted.startsWith('masked')) {
    await files.mask(unit, runtime(wanted))
    return true
  }
  if (now?.startsWith('masked')) {
    await files.unmask(unit, runtime(now))
    now = await files.state(unit)
  }
  if (wanted.startsWith('enabled') && now !== wanted) await files.enable(unit, runtime(wanted))
  else if (!wanted.startsWith('enabled') && now?.startsWith('enabled'))
    await files.disable(unit, runtime(now))
  else return now !== before
  return true
}

/** The state that a change asks for: what is to leave is stopped and disabled, its files are not ours. */
export function wantedOf({ to }: Change): {
  readonly running: boolean | undefined
  readonly enabled: string
} {
  return (
    (to as { running: boolean | undefined; enabled: string } | null) ?? {
      running: false,
      enabled: 'disabled',
    }
  )
}

/** The provider of a machine that does not run. `root`: its directory, which may be `/` (a chroot, a container). */
export function openUnitFiles(root: string): Provider {
  const systemctl = (...argv: string[]) => run(['systemctl', `--root=${root}`, ...argv], { timeoutMs })
  const must = async (unit: string, ...argv: string[]) => {
    const ran = await systemctl(...argv, unit)
    if (ran.code !== 0)
      throw new StepError('UNIT_FAILED', resourceId('unit', unit), `${argv.join(' ')}: ${ran.output.trim()}`)
  }
  const at = (runtime: boolean) => (runtime ? ['--runtime'] : [])
  const files: UnitFiles = {
    state: async unit => {
      const { code, output } = await systemctl('is-enabled', unit)
      const word = output.trim()
      // Where there is no such unit, newer ones say `not-found`, older ones write a sentence.
      return /^[a-z-]+$/.test(word) && word !== 'not-found' ? word : code === 0 ? 'static' : undefined
    },
    enable: (unit, runtime) => must(unit, 'enable', ...at(runtime)),
    disable: (unit, runtime) => must(unit, 'disable', ...at(runtime)),
    mask: (unit, runtime) => must(unit, 'mask', ...at(runtime)),
    unmask: (unit, runtime) => must(unit, 'unmask', ...at(runtime)),
  }
  return {
    kind: 'unit',
    spreads: false,
    whole: false,
    observe: async names => {
      const found: [ReturnType<typeof resourceId>, State | null][] = []
      for (const name of names) {
        const enabled = await files.state(name)
        found.push([resourceId('unit', name), enabled === undefined ? null : { running: undefined, enabled }])
      }
      return new Map(found)
    },
    prepare: async () => undefined,
    change: async changes => {
      for (const change of changes) {
        const unit = nameOf(change.id)
        const { enabled } = wantedOf(change)
        if ((await files.state(unit)) === undefined && enabled.startsWith('enabled')) throw missing(change)
        await setEnabled(files, unit, enabled)
      }
      return { leftBehind: [] }
    },
    oneWay: async () => new Map(),
    recover: async () => undefined,
    hear: (_, deaf) => {
      deaf(`nothing runs in ${root}`)
      return () => undefined
    },
    busy: () => false,
    close: () => undefined,
  }
}

export function missing({ id }: Change): StepError {
  return new StepError('UNIT_MISSING', id, missingDetail(nameOf(id)))
}
