// Facts of a host are frozen with a run: a machine that is resized changes nothing by itself.
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import type { LogEntry } from '../../node/log.ts'
import { openAttempts } from '../../node/os-attempts.ts'
import { openHost } from '../../node/os-host.ts'
import type { HostPorts } from '../../node/peer.ts'

const files: Record<string, string> = {
  'site.steps':
    'MKDIR /etc\nTEMPLATE motd /etc/motd\nWHEN fact.cpus=2\n  COPY small /etc/small\nEND\nCOPY big /etc/big\n',
  motd: `\${fact.memory} MiB\n`,
  small: 'x',
  big: 'y',
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const bytes = (text: string | undefined) => (text === undefined ? undefined : new TextEncoder().encode(text))
const entry = { id: 'e1', sequence: 1, subject: 'a shop', release: { commit: 'c1' } } as unknown as LogEntry

/** A repository of one release, and a log of one entry. */
const ports = {
  repository: {
    release: async () => ({
      listing: new Map(
        Object.entries(files).map(([path, text]) => [
          path,
          { mode: '100644', sha256: sha256(text), size: text.length },
        ]),
      ),
    }),
    read: async (_: string, path: string) => bytes(files[path]),
    blob: async (digest: string) => bytes(Object.values(files).find(text => sha256(text) === digest)),
  },
  entries: { host: () => undefined, roster: () => [], byId: () => entry },
  report: () => {},
} as unknown as HostPorts

test('a changed fact is shown, drift goes back to the frozen one, and who asks gets the new one', async () => {
  const dir = mkdtempSync(`${tmpdir()}/fleet-facts-`)
  mkdirSync(`${dir}/root`)
  const facts = { cpus: '2', memory: '512', kernel: '6.1' }
  const said: unknown[] = []
  const options = {
    root: `${dir}/root`,
    state: `${dir}/state`,
    key: '',
    auditMs: 1e9,
    terminals: false,
    log: (_level: string, what: string, more?: object) => what === 'FACTS CHANGED' && said.push(more),
    random: () => 0.5,
    now: () => Date.now(),
    facts: () => facts,
  }
  const read = (path: string) => readFileSync(`${dir}/root${path}`, 'utf8')
  const first = await openHost(options, ports)
  expect(await first.runner.run(entry)).toMatchObject({ kind: 'applied' })
  expect(read('/etc/motd')).toBe('512 MiB\n')
  await first.close()

  Object.assign(facts, { cpus: '4', memory: '1024', kernel: '6.2' })
  const host = await openHost(options, ports)
  rmSync(`${dir}/root/etc/motd`)
  expect(await host.audit()).toMatchObject({ repaired: 1, notKept: 0 })
  expect([read('/etc/motd'), read('/etc/small')]).toEqual(['512 MiB\n', 'x'])
  const changes = [
    { name: 'memory', from: '512', to: '1024' },
    { name: 'cpus', from: '2', to: '4' },
  ]
  expect(new Set(host.changedFacts())).toEqual(new Set(changes))
  await host.audit()
  expect(said).toHaveLength(2)

  expect(await host.apply()).toMatchObject({ declared: 3, notKept: 0 })
  expect(read('/etc/motd')).toBe('1024 MiB\n')
  expect(() => read('/etc/small')).toThrow('ENOENT')
  expect(host.changedFacts()).toEqual([])
  await host.close()
  rmSync(dir, { recursive: true })
})

test('a release in the middle of whose run the agent died twice is FAILED, until somebody asks for it again', async () => {
  const dir = mkdtempSync(`${tmpdir()}/fleet-attempts-`)
  mkdirSync(`${dir}/root`)
  const options = {
    ...{ root: `${dir}/root`, state: `${dir}/state`, key: '', auditMs: 1e9, terminals: false, log: () => {} },
    ...{ random: () => 0.5, now: () => Date.now(), facts: () => ({ cpus: '2', memory: '512' }) },
  }
  const attempts = openAttempts(options.state)
  const host = await openHost(options, ports)
  expect(await host.runner.run(entry)).toMatchObject({ kind: 'applied' })
  expect(attempts.cut('e1')).toBe(0)
  // What two deaths leave.
  attempts.begin('e1')
  attempts.begin('e1')
  expect([attempts.cut('e1'), attempts.cut('e2')]).toEqual([2, 0])
  expect(await host.runner.run(entry)).toMatchObject({
    kind: 'failed',
    why: expect.stringContaining('ended 2 times in the middle of this run'),
  })
  // A signed retry is another attempt, which has a right of its own to fail.
  const terms = { attempt: 2, shut: () => undefined, acting: () => {} }
  attempts.begin('e1', 2)
  expect([attempts.cut('e1', 2), attempts.cut('e1', 3)]).toEqual([1, 0])
  expect(await host.runner.run(entry, terms)).toMatchObject({ kind: 'applied' })
  attempts.begin('e1')
  attempts.begin('e1')
  host.retry()
  expect(await host.runner.run(entry)).toMatchObject({ kind: 'applied' })
  await host.close()
  rmSync(dir, { recursive: true })
})
