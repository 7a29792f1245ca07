// The loop that finds what is going to fail before anything is changed, in all legs of a run as far as they are foreseen:
// missing content, missing space, what the providers cannot fetch or lock. What it finds makes the run wait.
import { type Applying, fetchPayload, type NotKept, type Payloads } from './apply.ts'
import { type Reason, StepError } from './errors.ts'
import { hasDirectory, reasonFrom } from './perform.ts'
import type { StepPlan } from './plan.ts'
import { type Change, kindOf } from './resource.ts'
import { pacer } from './revert.ts'
import { dirname, type System } from './system.ts'

export async function foresee(
  { machine, providers, timing }: Applying,
  plans: readonly StepPlan[],
  payloads: Payloads,
): Promise<readonly NotKept[]> {
  const refused = new Map<StepPlan, Reason>()
  const pace = pacer(timing)
  const refuse = (plan: StepPlan, error: unknown) => refused.set(plan, reasonFrom(error))

  for (const plan of plans) {
    const { payload } = plan.step
    // Those of the first leg are read when they are staged.
    if (!plan.tentative || plan.kind === 'kept' || plan.kind === 'undo' || !payload) continue
    await fetchPayload(payloads, payload, plan.step.id).catch(error => refuse(plan, error))
    await pace()
  }

  try {
    checkSpace(machine, plans)
  } catch (error) {
    const path = reasonFrom(error).path
    const plan = plans.find(each => each.acts.some(({ act }) => 'path' in act && act.path === path))
    refuse(plan ?? plans[0]!, error)
  }

  const wanted = plans.flatMap(plan =>
    plan.acts.flatMap(({ act }) => {
      if (act.kind !== 'set') return []
      const { kind: _, ...change } = act
      return [{ plan, change: change satisfies Change }]
    }),
  )
  for (const [kind, mine] of Map.groupBy(wanted, each => kindOf(each.change.id)))
    try {
      await providers.get(kind)?.prepare(mine.map(each => each.change))
    } catch (error) {
      const sources = providers.get(kind)?.sources ?? []
      if (reasonFrom(error).code === 'PACKAGE_UNKNOWN' && touches(plans, sources)) continue
      const named = mine.filter(each => each.change.id === reasonFrom(error).path)
      for (const { plan } of named.length > 0 ? named : mine) refuse(plan, error)
    }
  return [...refused].map(([{ step }, reason]) => ({ step, reason }))
}

function touches(plans: readonly StepPlan[], directories: readonly string[]): boolean {
  return plans.some(({ acts }) =>
    acts.some(({ act }) => 'path' in act && directories.some(each => act.path.startsWith(`${each}/`))),
  )
}

/** What a file takes at least: a block of the usual file systems. Bytes. */
const blockBytes = 4096
/** More than is needed, for directories and what others write meanwhile. */
const reserve = 1.05

interface Need {
  readonly directory: string
  /** The largest of what needs it. */
  path: string
  most: number
  bytes: number
  files: number
}

function checkSpace(machine: System, plans: readonly StepPlan[]): void {
  const needs = new Map<number, Need>()
  const known = new Map<string, Need>()
  const needAt = (path: string, directory: string): Need => {
    const found = known.get(directory)
    if (found) return found
    let at = directory
    while (at !== '/' && !hasDirectory(machine, at)) at = dirname(at)
    const { dev } = machine.lstat(`${at}/.`)!
    const need = needs.get(dev) ?? { directory: at, path, most: 0, bytes: 0, files: 0 }
    needs.set(dev, need)
    known.set(directory, need)
    return need
  }
  for (const { acts } of plans)
    for (const { act } of acts) {
      if (act.kind !== 'put' && act.kind !== 'unpack' && act.kind !== 'mkdir') continue
      const need = needAt(act.path, dirname(act.path))
      if (sizeOf(act) > need.most) Object.assign(need, { path: act.path, most: sizeOf(act) })
      need.files++
      need.bytes += Math.ceil(sizeOf(act) / blockBytes) * blockBytes
      if (act.kind === 'unpack') needAt(act.path, 'saved').bytes += act.payload.size
    }
  for (const { directory, path, bytes, files } of needs.values()) {
    const space = machine.space(directory)
    if (bytes * reserve > space.bytes)
      throw new StepError(
        'DISK_FULL',
        path,
        `found ${space.bytes} bytes free; expected ${Math.ceil(bytes * reserve)}`,
      )
    if (files > space.files)
      throw new StepError('DISK_FULL', path, `found ${space.files} inodes free; expected ${files}`)
  }
}

/** Of an archive, its own size: what is in it is known only once it is unpacked. */
function sizeOf(act: StepPlan['acts'][number]['act']): number {
  if (act.kind === 'unpack') return act.payload.size
  if (act.kind === 'mkdir') return blockBytes
  if (act.kind !== 'put') return 0
  return act.content.kind === 'payload' ? act.content.payload.size : act.content.bytes.length
}
