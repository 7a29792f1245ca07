// What is made of an operator's repository before it is simulated.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Planned, planFor } from '../../cli/sim-plan.ts'
import { text, utf8 } from '../../signing/bytes.ts'
import { publicKeyOf, sha256 } from '../../signing/crypto.ts'
import { writeOperators } from '../../signing/operators.ts'
import { writePolicy } from '../../signing/policy.ts'
import { writeRoster } from '../../signing/roster.ts'
import { simulate } from '../../sim/main.ts'
import { breakages } from '../../sim/plan.ts'
import { World } from '../../sim/world.ts'
import { testIo } from './io.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fleet-plan-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const keyOf = (name: string) => publicKeyOf(sha256(utf8(name)))

/** A repository with two hosts for the web and one with a database. */
function repository(files: Readonly<Record<string, string>> = {}): void {
  const host = (name: string, role: string) => ({ name, key: keyOf(name), addresses: [], labels: { role } })
  const roster = [host('web1', 'web'), host('web2', 'web'), host('db1', 'db')]
  const operator = { principal: 'anna', namespaces: ['git', 'fleet'], key: keyOf('anna'), comment: '' }
  const all: Readonly<Record<string, string | Uint8Array>> = {
    'fleet.toml': 'name = "mine"\n[rollout]\nsoak = "30s"\n',
    'vars.toml': '[default]\nsize = 1\n[host.web1]\nsize = 2\n',
    'site.steps': [
      'TEMPLATE files/size /etc/size',
      'LINE /etc/ssh/sshd_config "PermitRootLogin no"',
      'WHEN label.role=web',
      '  PACKAGE nginx',
      '  SERVICE nginx running enabled',
      '  CHECK http http://127.0.0.1/',
      'END',
      '',
    ].join('\n'),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the language of templates
    'files/size': '${var.size}\n',
    'trust/hosts': writeRoster(roster),
    'trust/operators': writeOperators([operator]),
    'trust/policy': writePolicy({ threshold: 1 }),
    ...files,
  }
  for (const [name, bytes] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), bytes)
  }
}

async function planned(hosts?: number, breaks?: number): Promise<Planned> {
  const ask = { folder, ...(breaks !== undefined && { breaks }) }
  const found = await planFor(ask, { seed: 1, terms: hosts === undefined ? {} : { hosts } }, testIo(folder))
  if ('text' in found) throw new Error(found.text())
  return found
}

const rolesOf = ({ plan }: Planned) => plan.hosts.map(each => each.labels['role']).sort()

test('the roster as it is, repeated, and a proportional part of it', async () => {
  repository()
  expect((await planned()).plan.hosts.map(each => each.name)).toEqual(['web1', 'web2', 'db1'])
  const many = await planned(7)
  expect(many.plan.hosts.map(each => each.name)).toEqual([
    ...['web1', 'web2', 'db1', 'web1-2', 'web2-2', 'db1-2', 'web1-3'],
  ])
  expect(rolesOf(many)).toEqual(['db', 'db', 'web', 'web', 'web', 'web', 'web'])
  expect(rolesOf(await planned(2))).toEqual(['db', 'web'])
  expect(many.scenario).toMatchObject({ seed: 1, hosts: 7, releases: [] })
})

test('a copy has the variables of its original', async () => {
  repository()
  const vars = text((await planned(5)).plan.releases[0]!.files.get('vars.toml')!.bytes)
  expect(vars).toMatch(/\[host\.web1-2\]\nsize = 2/)
  expect(vars).not.toMatch(/web2/)
})

test('releases differ in one file each; the last is taken back', async () => {
  repository()
  const { releases } = (await planned(10, 2_000)).plan
  expect(releases.map(each => each.subject)).toEqual([
    ...['the files as they are', 'files/size changed', 'breaks 2 hosts', 'taken back'],
  ])
  const differing = (a: number, b: number) =>
    [...releases[b]!.files].filter(([path, { bytes }]) => releases[a]!.files.get(path)?.bytes !== bytes)
  expect(differing(0, 1).map(([path]) => path)).toEqual(['files/size'])
  expect(differing(1, 2).map(([path]) => path)).toEqual(['site.steps'])
  expect(differing(1, 3)).toEqual([])
})

test('which hosts a release breaks follows from the seed; by a check only where there is one', async () => {
  repository()
  const { plan } = await planned(30, 5_000)
  const drawn = (seed: number) => breakages(plan, plan.releases[2]!, new World(seed).chance('a', 'b'))
  expect(drawn(1)).toEqual(drawn(1))
  expect(drawn(1)).not.toEqual(drawn(2))
  expect(drawn(1).size).toBe(15)
  expect(new Set(drawn(1).values())).toEqual(new Set(['check', 'step']))
  for (const [at, how] of drawn(1)) expect(how === 'check' && !plan.hosts[at]!.checks).toBe(false)
})

test('problems are those of fleet check, with its exit', async () => {
  repository({ 'site.steps': 'COPY files/none /etc/none\n' })
  const found = await planFor({ folder }, { seed: 1, terms: {} }, testIo(folder))
  expect(found).toMatchObject({ exit: 2, json: { problems: [{ file: 'site.steps', line: 1 }] } })
})

test('a fleet of its own: good releases arrive, a bad one stops at the first hosts that it breaks, and is taken back', async () => {
  repository()
  const { scenario, plan } = await planned(6, 5_000)
  const report = await simulate(scenario, { plan })
  expect([report.ending, report.violations, report.pending]).toEqual(['ok', [], []])
  expect(report.title).toBe('mine: the files as they are, on its roster of 3 repeated to 6 hosts')
  expect(report.releases.map(({ tried, failed, breaks, why }) => [tried, failed, breaks, why])).toEqual([
    [6, 0, undefined, undefined],
    [6, 0, undefined, undefined],
    // In stages of 1, 2, 4 and 6 hosts: the first fails, and no other host begins.
    [1, 1, 3, undefined],
    [6, 0, undefined, undefined],
  ])
  expect(report.releases[0]!.lastMs).toBeGreaterThan(0)
  expect(report.releases[3]!.inForce).toBe(6)
  expect((await simulate(scenario, { plan })).traceHash).toBe(report.traceHash)
})
