// Providers of a machine that is a JSON file: packages that bring others, files and units, units that may fail to
// start, accounts, kernel parameters. Outlives the process that changes it, so it can be killed. And the suite that
// every provider passes.
import * as fs from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { carriedAlong } from '../../../node/host/accounts.ts'
import type { StepError } from '../../../node/host/errors.ts'
import {
  type Change,
  type Kind,
  kindOf,
  nameOf,
  type Provider,
  type Providers,
  type ResourceId,
  type State,
  type States,
  sameState,
} from '../../../node/host/resource.ts'

/** What there is to install: what it needs, the files it brings, and its unit, which it starts. */
export const pool: Record<string, { needs?: string[]; files?: string[]; unit?: string }> = {
  web: {
    needs: ['web-common', 'libtls'],
    files: ['/etc/web/web.conf', '/usr/lib/systemd/system/web.service'],
    unit: 'web.service',
  },
  'web-common': { needs: ['libtls'], files: ['/usr/share/web/index'] },
  libtls: { files: ['/usr/lib/libtls'] },
  daemon: { needs: ['libtls'], files: ['/usr/lib/daemon'], unit: 'daemon.service' },
  tool: { needs: ['libtls'], files: ['/usr/bin/tool'] },
}

export interface Fake {
  readonly providers: Providers
  /** What was called, such as `package change web`. */
  readonly calls: string[]
  /** By call, or by kind and call: what it throws, before it has changed anything, or once half way. */
  readonly fails: Map<string, StepError>
  readonly late: Map<string, StepError>
  /** All there is. */
  states(): Record<ResourceId, State>
  set(id: ResourceId, state: State | null): void
}

const kinds: readonly Kind[] = ['group', 'user', 'package', 'unit', 'sysctl']

/** `dir`: where `machine.json` is kept; `root`: where packages put their files; `touch`: before anything is changed. */
export function fakeProviders(dir: string, root: string, touch: () => void = () => {}): Fake {
  const file = join(dir, 'machine.json')
  const calls: string[] = []
  const fails: Fake['fails'] = new Map()
  const late: Fake['late'] = new Map()
  const states = (): Record<ResourceId, State> =>
    fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {}
  const set: Fake['set'] = (id, state) => {
    touch()
    const all = states()
    if (state === null) delete all[id]
    else all[id] = state
    fs.writeFileSync(`${file}.new`, JSON.stringify(all))
    fs.renameSync(`${file}.new`, file)
  }
  const get = (id: ResourceId) => states()[id] ?? null
  const call = (kind: Kind, what: string, names: readonly string[], table = fails) => {
    if (table === fails) calls.push([kind, what, ...names].join(' '))
    for (const key of [[kind, what, ...names].join(' '), `${kind} ${what}`]) {
      const error = table.get(key)
      if (table === late) late.delete(key)
      if (error) throw error
    }
  }

  const unpack = (name: string) => {
    for (const path of pool[name]?.files ?? []) {
      touch()
      fs.mkdirSync(dirname(root + path), { recursive: true })
      if (!fs.existsSync(root + path)) fs.writeFileSync(root + path, `of ${name}\n`)
    }
  }
  /** Answers what stays: configuration. */
  const erase = (name: string): string[] => {
    const kept: string[] = []
    for (const path of pool[name]?.files ?? []) {
      if (path.startsWith('/etc/')) {
        if (fs.existsSync(root + path)) kept.push(path)
        continue
      }
      touch()
      fs.rmSync(root + path, { force: true })
      for (let at = dirname(path); at !== '/'; at = dirname(at))
        if (fs.existsSync(root + at) && fs.readdirSync(root + at).length === 0) fs.rmdirSync(root + at)
        else break
    }
    return kept
  }
  const install = (name: string, wanted: States['package']) => {
    for (const need of pool[name]?.needs ?? [])
      if (get(`package:${need}`) === null) install(need, { version: '1', held: false, automatic: true })
    unpack(name)
    set(`package:${name}`, { ...wanted, version: wanted.version || '1' })
    const unit = pool[name]?.unit
    if (unit && get(`unit:${unit}`) === null) set(`unit:${unit}`, { running: true, enabled: 'enabled' })
  }
  const needed = (name: string, going: ReadonlySet<string>) =>
    Object.entries(pool).some(
      ([other, { needs = [] }]) =>
        needs.includes(name) && !going.has(other) && get(`package:${other}`) !== null,
    )

  const changePackages = (changes: readonly Change[]): string[] => {
    const left: string[] = []
    const going = new Set(changes.flatMap(each => (each.to === null ? [nameOf(each.id)] : [])))
    for (const { id, to, along } of changes) {
      const name = nameOf(id)
      if (to !== null) install(name, to as States['package'])
      else if (!along || !needed(name, going)) {
        const unit = pool[name]?.unit
        if (unit) set(`unit:${unit}`, null)
        left.push(...erase(name))
        set(id, null)
      } else left.push(`package ${name}`)
      call('package', 'change', [], late)
    }
    return left
  }

  /** What a crash cut short, as `dpkg --configure -a` would. */
  const finish = () => {
    for (const [name, { unit }] of Object.entries(pool)) {
      const installed = get(`package:${name}`) !== null
      if (installed) unpack(name)
      else erase(name)
      const runs = unit !== undefined && get(`unit:${unit}`) !== null
      if (unit && runs && !installed) set(`unit:${unit}`, null)
      if (unit && !runs && installed) set(`unit:${unit}`, { running: true, enabled: 'enabled' })
    }
  }

  const provider = (kind: Kind): Provider => {
    const whole = kind === 'package'
    return {
      kind,
      spreads: whole,
      whole,
      observe: async names => {
        const all = Object.entries(states()) as [ResourceId, State][]
        const wanted = new Set(names)
        const mine = all.filter(([id]) => kindOf(id) === kind && (whole || wanted.has(nameOf(id))))
        return new Map([...names.map(name => [`${kind}:${name}`, null] as [ResourceId, null]), ...mine])
      },
      prepare: async changes =>
        call(
          kind,
          'prepare',
          changes.map(each => nameOf(each.id)),
        ),
      change: async changes => {
        call(
          kind,
          'change',
          changes.map(each => nameOf(each.id)),
        )
        const due = changes.filter(each => !sameState(get(each.id), each.to))
        if (kind === 'package') return { leftBehind: changePackages(due) }
        for (const { id, from, to } of due) {
          // As groupmod does. `from` is what was planned; what is there counts.
          const known = new Map(Object.entries(states()) as [ResourceId, State][])
          const along = carriedAlong({ id, from: from && get(id), to }, known)
          set(id, to)
          for (const [user, state] of along) set(user, state)
          call(kind, 'change', [nameOf(id)], late)
        }
        return { leftBehind: [] }
      },
      oneWay: async () => new Map(),
      recover: async () => {
        calls.push(`${kind} recover`)
        if (kind === 'package') finish()
      },
      hear: () => () => {},
      busy: () => false,
      close: () => {},
    }
  }
  return { providers: new Map(kinds.map(kind => [kind, provider(kind)])), calls, fails, late, states, set }
}

/** What every provider must do with two states of one resource. */
export function providerSuite(title: string, open: () => Provider, name: string, a: State, b: State): void {
  test(`${title}: what is changed is observed, again is no error, and null removes`, async () => {
    const provider = open()
    const id: ResourceId = `${provider.kind}:${name}`
    const seen = async () => (await provider.observe([name])).get(id)
    expect(await seen()).toBe(null)
    const steps: [State | null, State | null][] = [
      [null, a],
      [a, b],
      [b, null],
    ]
    for (const [from, to] of steps) {
      const change = { id, from, to }
      await provider.prepare([change])
      expect(await seen()).toEqual(from)
      await provider.change([change])
      expect(await seen()).toEqual(to)
      await provider.change([change])
      expect(await seen()).toEqual(to)
    }
    await provider.recover(false)
    expect(provider.busy()).toBe(false)
    provider.close()
  })
}
