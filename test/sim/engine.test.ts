// A simulated host on its own: releases are run as on a real one and take time, drift is heard of and put back, and a release
// that is to go wrong here does, in each way.
import { expect, test } from 'vitest'
import type { EntryLog, LogEntry } from '../../node/log.ts'
import type { HostPorts } from '../../node/peer.ts'
import type { RunReport } from '../../node/report.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import { SimDisk } from '../../sim/disk.ts'
import { openSimEngine, type SimEngine, type Trial } from '../../sim/engine.ts'
import { simDurable, simRepository } from '../../sim/files.ts'
import { Life } from '../../sim/life.ts'
import { World } from '../../sim/world.ts'
import { makePack, release } from '../node/pack-maker.ts'

const folder = '/var/lib/fleet'
const clock = 1_795_000_000_000

const filesOf = (n: number) => ({
  'site.steps': utf8(
    [
      'USER deploy uid=2001',
      'PACKAGE nginx',
      'COPY motd /etc/motd',
      'TEMPLATE conf /etc/nginx.conf',
      'SERVICE nginx running enabled reload-on=/etc/nginx.conf',
      'MKDIR /srv/app owner=deploy',
      'COPY page /srv/app/index owner=deploy',
      'SYSCTL net.core.somaxconn 4096',
      'RUN "true" unless="false"',
      'CHECK command "true"',
      '',
    ].join('\n'),
  ),
  motd: utf8(`release ${n}\n`),
  conf: utf8(`memory \${fact.memory} ${n}\n`),
  page: utf8('<p>'),
})

/** Releases as packs, with the entries that name them. */
const releases = [1, 2, 3].map(n => {
  const { commit, objects } = release(filesOf(n), undefined, `release ${n}: words`)
  const bytes = makePack(objects)
  const claim = { digest: hex(sha256(bytes)), base: 'none', commit } as const
  const entry = { id: `e${n}`, sequence: n, subject: 'words', release: { commit } } as unknown as LogEntry
  return { bytes, claim, entry }
})
const entries = {
  host: () => undefined,
  roster: () => [],
  byId: (id: string) => releases.find(each => each.entry.id === id)?.entry,
} as unknown as EntryLog

interface Ground {
  readonly world: World
  readonly disk: SimDisk
  readonly said: [drift: Parameters<HostPorts['report']>[0], notKept: number][]
  trial: Trial | undefined
  deaths: number
  host: SimEngine
  life: Life
  start(): Promise<void>
  /** Runs the world until it is done. */
  done<T>(promise: Promise<T>): Promise<T>
  run(n: number): Promise<RunReport>
  text(path: string): string | undefined
}

async function ground(world = new World(7), name = 'a'): Promise<Ground> {
  const now = () => clock + world.nowMs
  const disk = new SimDisk(now, world.chance(name, 'disk'))
  const said: Ground['said'] = []
  const here = {
    ...{ world, disk, said, deaths: 0, trial: undefined as Trial | undefined },
    start: async () => {
      here.life = new Life(disk, () => here.deaths++)
      const { port: repository } = await simRepository(here.life, `${folder}/repo.git`, { now })
      for (const { bytes, claim } of releases) await repository.install(bytes, claim)
      const ports = { repository, entries, report: (...each: (typeof said)[number]) => void said.push(each) }
      here.host = await openSimEngine(
        {
          ...{ world, name, now, key: '', state: folder, auditMs: 3_600_000, runMs: [1000, 3000] },
          ...{ life: here.life, log: () => {}, trial: () => here.trial },
        },
        ports,
      )
      here.host.host.begin()
    },
    done: async <T>(promise: Promise<T>): Promise<T> => {
      let over = false
      const end = () => {
        over = true
      }
      promise.then(end, end)
      await world.until(() => over)
      return promise
    },
    run: (n: number) => here.done(here.host.runner.run(releases[n - 1]!.entry)),
    text: (path: string) => {
      const node = disk.find(path)
      return node && new TextDecoder().decode(disk.read(node))
    },
  } as Ground
  await here.start()
  return here
}

const sleep = (here: Ground, ms: number) =>
  here.done(
    new Promise<void>(resolve => {
      here.world.after(ms, () => {
        here.world.unsettled()
        resolve()
      })
    }),
  )

test('a release is run, in time of the world; the next one too; a restart knows what is in force', async () => {
  const here = await ground()
  expect(await here.run(1)).toMatchObject({ kind: 'applied', steps: { declared: 10, notKept: 0 } })
  expect(here.world.nowMs).toBeGreaterThanOrEqual(1000)
  expect([here.text('/etc/motd'), here.text('/etc/nginx.conf')]).toEqual(['release 1\n', 'memory 2048 1\n'])
  expect(here.disk.resources.get('unit:nginx.service')).toEqual({ running: true, enabled: 'enabled' })
  expect(await here.run(2)).toMatchObject({ kind: 'applied' })
  here.life.end()
  here.disk.crash(() => 0)
  await here.start()
  expect(here.host.inForce).toMatchObject({ entry: 'e2', declared: 10 })
  expect(here.text('/etc/motd')).toBe('release 2\n')
})

test('what is edited by hand is put back at once, and told', async () => {
  const here = await ground()
  await here.run(1)
  await sleep(here, 60_000)
  expect(here.host.edit('/etc/motd', utf8('mine'))).toBe(true)
  here.host.set('unit:nginx.service', { running: false, enabled: 'enabled' })
  await sleep(here, 60_000)
  expect(here.text('/etc/motd')).toBe('release 1\n')
  expect(here.disk.resources.get('unit:nginx.service')).toMatchObject({ running: true })
  expect(here.said.at(-1)).toMatchObject([{ repairs: 2, contested: 0 }, 0])
})

test('a release that fails here is taken back', async () => {
  const here = await ground()
  await here.run(1)
  here.trial = { kind: 'fails', at: 1 }
  expect(await here.run(2)).toMatchObject({ kind: 'failed', why: expect.stringContaining('IO_FAILED') })
  expect([here.text('/etc/motd'), here.host.inForce?.entry]).toEqual(['release 1\n', 'e1'])
})

test('a release that kills the agent is taken back at its next start, and not tried a third time', async () => {
  const here = await ground()
  await here.run(1)
  here.trial = { kind: 'kills', at: 9 }
  for (const deaths of [1, 2]) {
    let answered = false
    void here.host.runner.run(releases[1]!.entry).then(() => {
      answered = true
    })
    await sleep(here, 10_000)
    expect([here.deaths, here.life.alive, answered]).toEqual([deaths, false, false])
    await here.start()
    expect([here.text('/etc/motd'), here.host.inForce?.entry]).toEqual(['release 1\n', 'e1'])
  }
  expect(await here.run(2)).toMatchObject({ kind: 'failed', why: expect.stringContaining('2 times') })
})

test('a release that hangs takes its time; one that is spoilt later is told of', async () => {
  const here = await ground()
  here.trial = { kind: 'hangs', ms: 500_000 }
  expect(await here.run(1)).toMatchObject({ kind: 'applied' })
  expect(here.world.nowMs).toBeGreaterThan(500_000)
  here.trial = { kind: 'later', ms: 30_000 }
  await here.run(2)
  expect(here.host.host.notKept()).toEqual([])
  await sleep(here, 60_000)
  expect(here.host.host.notKept()).toMatchObject([{ reason: expect.stringContaining('IMMUTABLE') }])
  expect(here.said.at(-1)?.[1]).toBe(1)
})

test('a full disk makes a run wait; errors are told', async () => {
  const here = await ground()
  await here.run(1)
  here.disk.faults.full = true
  expect(await here.run(2)).toMatchObject({ kind: 'wait', why: expect.stringContaining('ENOSPC') })
  here.disk.faults.full = false
  here.disk.faults.errors = 1
  expect(['wait', 'failed']).toContain((await here.run(2)).kind)
  here.disk.faults.errors = 0
  expect(await here.run(2)).toMatchObject({ kind: 'applied' })
})

test('a flipped bit in a durable file is damage', async () => {
  const here = await ground()
  const durable = simDurable(here.life, folder)
  await durable.write('log/floor', utf8('floor'))
  expect(await durable.read('log/floor')).toEqual({ kind: 'present', bytes: utf8('floor') })
  expect(here.disk.flip(`${folder}/log`, () => 0.5)).toBe(`${folder}/log/floor`)
  expect((await durable.read('log/floor')).kind).toBe('damaged')
  expect((await durable.read('nothing')).kind).toBe('absent')
})

test('one seed, one story', async () => {
  const story = async () => {
    const here = await ground(new World(11))
    const kinds: unknown[] = []
    for (const n of [1, 2, 3]) kinds.push((await here.run(n)).kind, here.world.nowMs, here.disk.changes)
    return [kinds, here.disk.find('/etc/motd')]
  }
  expect(await story()).toEqual(await story())
})
