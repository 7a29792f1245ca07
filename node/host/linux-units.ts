// The provider of systemd's units on a machine that runs, over D-Bus: whether they run and are enabled, starting and
// stopping them, and hearing when somebody else does. Restarting what crashed by itself is left to systemd.
import { setTimeout as sleep } from 'node:timers/promises'
import { type ReasonCode, StepError } from './errors.ts'
import { type Bus, openBus, type Signal } from './linux-bus.ts'
import { run } from './linux-run.ts'
import { missing, setEnabled, type UnitFiles, wantedOf } from './linux-unitfiles.ts'
import { type Change, nameOf, type Provider, type ResourceId, resourceId, type States } from './resource.ts'

type UnitState = States['unit']

/** Beside a unit's own TimeoutStartSec or TimeoutStopSec: for what it waits for. Milliseconds. */
const jobBaseMs = 90_000
/** For units that set no bound of their own. Milliseconds. */
const jobMaxMs = 15 * 60_000
/** Reading all unit files again takes a tenth of a second, and much longer on a machine under load. Milliseconds. */
const reloadMs = 90_000
/** A service of these types counts as active before its program has got anywhere: it is looked at again after this. */
const hasty = ['simple', 'exec', 'idle']
const settleMs = 100
/** Between attempts to hear again. Milliseconds. */
const backoffMinMs = 1000
const backoffMaxMs = 60_000

/** What ListUnitsByNames answers, as far as it counts; `job`: start, stop, restart … or ''. */
interface Row {
  readonly name: string
  readonly load: string
  readonly active: string
  readonly sub: string
  readonly job: string
}

export function openUnits(): Provider {
  let opened: Promise<Bus> | undefined
  const hearers = new Set<{ hint: (name: string | undefined) => void; deaf: (why: string) => void }>()
  /** Results of jobs that ended while one is waited for, and whom to tell. */
  let ended: Map<string, string> | undefined
  let onEnded: () => void = () => undefined
  let reloading = false
  /** Links were changed on the disk that systemd has not read yet. */
  let relinked = false
  let retry: NodeJS.Timeout | undefined
  /** Said once, however often the bus is tried in vain. */
  let deafened = false

  const onSignal = ({ member, unit, body }: Signal) => {
    const hint = (name: string | undefined) => {
      for (const each of hearers) each.hint(name)
    }
    switch (member) {
      case 'JobRemoved':
        ended?.set(String(body[1]), String(body[3]))
        onEnded()
        hint(String(body[2]))
        break
      case 'Reloading':
        // Every unit announces itself anew during a reload: one hint at its end stands for all of them.
        reloading = body[0] === true
        if (!reloading) {
          relinked = false
          hint(undefined)
        }
        break
      case 'UnitFilesChanged':
        relinked = true
        hint(undefined)
        break
      case 'PropertiesChanged':
        if (!reloading && 'ActiveState' in (body[1] as object)) hint(unit)
    }
  }
  const connect = (): Promise<Bus> => {
    const mine: Promise<Bus> = openBus(onSignal, why => {
      if (opened !== mine) return
      opened = undefined
      reloading = relinked = false
      onEnded()
      if (!deafened) for (const each of hearers) each.deaf(why)
      deafened = true
      if (hearers.size > 0) again(backoffMinMs)
    })
    return mine
  }
  const bus = (): Promise<Bus> => (opened ??= connect())
  const again = (ms: number) => {
    clearTimeout(retry)
    retry = setTimeout(async () => {
      try {
        await (await bus()).subscribe()
        deafened = false
        for (const each of hearers) each.hint(undefined)
      } catch {
        if (hearers.size > 0) again(Math.min(2 * ms, backoffMaxMs))
      }
    }, ms).unref()
  }

  /** Errors of D-Bus, which name what systemd refused, become StepErrors. */
  const attempt = async <T>(unit: string | undefined, action: (bus: Bus) => Promise<T>): Promise<T> => {
    try {
      return await action(await bus())
    } catch (error) {
      if (error instanceof StepError) throw error
      const { dbusName = '', message } = error as { dbusName?: string; message: string }
      const code = codes[dbusName.slice(dbusName.lastIndexOf('.') + 1)] ?? 'UNIT_FAILED'
      throw new StepError(code, unit && resourceId('unit', unit), `systemd: ${message}`)
    }
  }
  const rows = async (names: readonly string[]): Promise<readonly Row[]> => {
    if (names.length === 0) return []
    const found = await attempt(undefined, each => each.call('ListUnitsByNames', 'as', [names]))
    return (found as string[][]).map(row => ({
      name: row[0]!,
      load: row[2]!,
      active: row[3]!,
      sub: row[4]!,
      job: row[8]!,
    }))
  }
  const files: UnitFiles = {
    state: async unit => {
      const { call } = await bus()
      return await call('GetUnitFileState', 's', [unit]).then(String, () => undefined)
    },
    enable: (unit, runtime) =>
      attempt(unit, async ({ call }) => {
        const [installable] = (await call('EnableUnitFiles', 'asbb', [[unit], runtime, false])) as [boolean]
        if (!installable)
          throw new StepError(
            'UNIT_STATIC',
            resourceId('unit', unit),
            'found a unit without [Install] section',
          )
      }),
    disable: (unit, runtime) =>
      attempt(unit, async ({ call }) => void (await call('DisableUnitFiles', 'asb', [[unit], runtime]))),
    mask: (unit, runtime) =>
      attempt(unit, async ({ call }) => void (await call('MaskUnitFiles', 'asbb', [[unit], runtime, false]))),
    unmask: (unit, runtime) =>
      attempt(unit, async ({ call }) => void (await call('UnmaskUnitFiles', 'asb', [[unit], runtime]))),
  }

  const property = (unit: string, name: string, type = 'Service') =>
    attempt(unit, each => each.get(unit, type, name))
  /** A oneshot unit that has done its work is neither running nor missing: see States. */
  const running = async (row: Row): Promise<boolean | undefined> => {
    if (row.job === 'stop') return false
    if (row.job !== '' && row.job !== 'verify-active') return true
    if (['active', 'activating', 'reloading', 'refreshing'].includes(row.active)) return true
    if (row.active !== 'inactive' || !row.name.endsWith('.service')) return false
    if ((await property(row.name, 'Type')) !== 'oneshot' || (await property(row.name, 'RemainAfterExit')))
      return false
    const started = await property(row.name, 'ExecMainStartTimestampMonotonic')
    return Number(started) > 0 && (await property(row.name, 'Result')) === 'success' ? undefined : false
  }
  /** What systemd remembers of the disk since its last reload, which is far cheaper than to have it look again. */
  const remembered = async (unit: string): Promise<string | undefined> => {
    const known = relinked ? '' : await property(unit, 'UnitFileState', 'Unit')
    return known ? String(known) : await files.state(unit)
  }
  const stateOf = async (row: Row, file: string | undefined): Promise<UnitState | null> => {
    const is = await running(row)
    if (file === undefined && (row.load === 'not-found' || row.active === 'failed') && is !== true)
      return null
    return { running: is, enabled: file ?? 'disabled' }
  }
  const observe: Provider['observe'] = async names => {
    const [found, states] = await Promise.all([rows(names), Promise.all(names.map(remembered))])
    const entries = found.map(
      async (row, at) =>
        [resourceId('unit', names[at]!), await stateOf(row, states[at])] as [ResourceId, UnitState | null],
    )
    return new Map(await Promise.all(entries))
  }

  const reload = () => attempt(undefined, async ({ call }) => void (await call('Reload', '', [], reloadMs)))
  /** Starts or stops a unit and waits until systemd is done with it; the result of the job. */
  const job = async (row: Row, member: 'StartUnit' | 'StopUnit'): Promise<string> => {
    const own = await property(row.name, member === 'StartUnit' ? 'TimeoutStartUSec' : 'TimeoutStopUSec')
    const timeoutMs = Math.min(jobBaseMs + Number(own ?? 0) / 1000, jobMaxMs)
    return await attempt(row.name, async each => {
      await each.subscribe()
      const results = (ended = new Map())
      const late = new AbortController()
      try {
        const path = String(await each.call(member, 'ss', [row.name, 'replace']))
        const timer = setTimeout(() => {
          results.set(path, 'timeout')
          onEnded()
        }, timeoutMs)
        late.signal.onabort = () => clearTimeout(timer)
        while (!results.has(path)) {
          if (opened === undefined) throw new Error('the connection was lost while a job ran')
          await new Promise<void>(done => (onEnded = done))
        }
        return results.get(path)!
      } finally {
        late.abort()
        ended = undefined
        onEnded = () => undefined
      }
    })
  }
  const failure = async (row: Row, wanted: string, result: string): Promise<StepError> => {
    const [now] = await rows([row.name])
    const why = await property(row.name, 'Result')
    const log = await run(['journalctl', '-q', '--no-pager', '-o', 'cat', '-n', '10', '-u', row.name], {
      timeoutMs: 5000,
    }).then(
      ran => ran.output.trim(),
      () => '',
    )
    const found = `found ${now?.active} (${now?.sub}), job ${result}${why ? `, result ${why}` : ''}`
    const detail = `${found}; expected ${wanted}${log && `\n${log}`}`
    return new StepError('UNIT_FAILED', resourceId('unit', row.name), detail)
  }

  /** Files first, then what runs: one after another, in the order that is declared. */
  const change = async (changes: readonly Change[]) => {
    const names = changes.map(({ id }) => nameOf(id))
    const before = await rows(names)
    const stale = await Promise.all(before.map(row => property(row.name, 'NeedDaemonReload', 'Unit')))
    if (stale.includes(true) || changes.some(each => each.from === null && each.to !== null)) await reload()
    let touched = false
    for (const each of changes) {
      const { running, enabled } = wantedOf(each)
      const state = await files.state(nameOf(each.id))
      if (state === undefined && each.to !== null && !enabled.startsWith('masked')) {
        const [row] = await rows([nameOf(each.id)])
        if (row!.load === 'not-found' && (running || enabled.startsWith('enabled'))) throw missing(each)
      }
      if (await setEnabled(files, nameOf(each.id), enabled)) touched = true
    }
    if (touched) await reload()
    const started: Row[] = []
    for (const [at, row] of (await rows(names)).entries()) {
      const wanted = wantedOf(changes[at]!).running
      const is = await running(row)
      if (wanted === undefined || is === wanted || (is === undefined && !wanted)) continue
      if (!wanted) {
        const result = await job(row, 'StopUnit')
        if (result !== 'done') throw await failure(row, 'it stopped', result)
        continue
      }
      // After too many failures in a row systemd would refuse; how often it is tried is the engine's to bound.
      if (row.active === 'failed')
        await attempt(row.name, ({ call }) => call('ResetFailedUnit', 's', [row.name]))
      const result = await job(row, 'StartUnit')
      if (result !== 'done') throw await failure(row, 'it running', result)
      started.push(row)
    }
    const types = await Promise.all(started.map(row => property(row.name, 'Type')))
    if (types.some(type => hasty.includes(String(type)))) await sleep(settleMs)
    for (const row of await rows(started.map(({ name }) => name)))
      if ((await running(row)) === false) throw await failure(row, 'it running', 'done')
    return { leftBehind: [] }
  }

  return {
    kind: 'unit',
    spreads: false,
    whole: false,
    observe,
    prepare: async () => void (await attempt(undefined, async () => undefined)),
    change,
    oneWay: async () => new Map(),
    // Links that were made or removed just before the crash are not what systemd remembers.
    recover: async reverts => {
      if (reverts) await reload()
    },
    hear: (hint, deaf) => {
      const hearer = { hint, deaf }
      hearers.add(hearer)
      bus()
        .then(each => each.subscribe())
        .then(
          () => (deafened = false),
          (error: Error) => {
            if (!deafened) deaf(error.message)
            deafened = true
            again(backoffMinMs)
          },
        )
      return () => void hearers.delete(hearer)
    },
    // While the machine goes down systemd itself refuses to start what it stops.
    busy: () => false,
    close: () => {
      clearTimeout(retry)
      hearers.clear()
      const was = opened
      opened = undefined
      was?.then(
        each => each.close(),
        () => undefined,
      )
    },
  }
}

/** By the last word of the name of D-Bus's error. */
const codes: Readonly<Record<string, ReasonCode>> = {
  NoSuchUnit: 'UNIT_MISSING',
  AccessDenied: 'NO_PERMISSION',
  InteractiveAuthorizationRequired: 'NO_PERMISSION',
  ServiceUnknown: 'TOOL_MISSING',
}
