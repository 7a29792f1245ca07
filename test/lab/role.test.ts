// The role: a web host with every verb of the language converges on three hosts, is damaged in every way and repaired,
// and goes without a trace that was not told.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inHostNode, LabFleet, scriptText } from './fleet.ts'
import { roleFiles, roleSteps, shop } from './role.ts'
import { onLab } from './suite.ts'
import { differences, type Walk, walk } from './walk.ts'

const drift = scriptText('drift.mjs')
/** Kinds of drift to try alone, while one looks for a fault. */
const only = process.env['FLEET_LAB_DRIFT']?.split(',') ?? []

/** One row per kind of drift: milliseconds on each host. */
function table(latencies: readonly Readonly<Record<string, number | null>>[]): string {
  const kinds = Object.keys(latencies[0]!)
  const rows = kinds.map(kind => {
    const cells = latencies.map(each => (each[kind]?.toFixed(1) ?? 'never').padStart(9))
    return `${kind.padEnd(34)}${cells.join('')}`
  })
  return ['ms from the hand edit to the repaired state, one column a host', ...rows].join('\n')
}

onLab('the role', () => {
  let fleet: LabFleet
  const before = new Map<string, Walk>()
  const converged = new Map<string, Walk>()
  const walkAll = async (into: Map<string, Walk>) => {
    for (const host of fleet.hosts) into.set(host.name, await walk(host))
  }

  beforeAll(async () => {
    fleet = await LabFleet.begin('role', Number(process.env['FLEET_LAB_HOSTS'] ?? 3))
    await walkAll(before)
  })
  afterAll(() => (process.env['FLEET_LAB_KEEP'] ? undefined : fleet?.close()))

  test('every step is kept, on every host', async () => {
    fleet.write('files/shop.tar', shop('1'))
    await fleet.release('the role', roleSteps, roleFiles)
    await fleet.converged()
    for (const host of fleet.hosts) {
      const page = await fleet.hosts[0]!.sh(`curl -fs http://${host.address}/`)
      expect(page).toBe(`the shop of ${host.name}`)
      expect(await host.sh('cat /var/lib/shop/index')).toBe('index of 1')
    }
    await walkAll(converged)
  })

  test('what is changed by hand, in any way, is as it was soon after', async () => {
    const ended = await Promise.allSettled(
      fleet.hosts.map(host => host.exec([inHostNode, '--input-type=module', '-', ...only], { input: drift })),
    )
    const failed = ended.find(each => each.status === 'rejected')
    if (failed !== undefined) throw failed.reason
    const runs = ended.flatMap(each => (each.status === 'fulfilled' ? [each.value] : []))
    const latencies = runs.map(ran => JSON.parse(ran.stdout) as Record<string, number | null>)
    console.log(table(latencies))
    for (const [at, host] of fleet.hosts.entries()) {
      const never = Object.entries(latencies[at]!).filter(([, ms]) => ms === null)
      if (never.length === 0) continue
      const said = (await fleet.lines(host)).filter(each => each.level !== 'info')
      expect.fail(
        `${host.name} did not repair ${never.join(' ')}\n${said.map(each => JSON.stringify(each)).join('\n')}`,
      )
    }
    await fleet.converged()
    for (const host of fleet.hosts)
      expect(differences(converged.get(host.name)!, await walk(host))).toEqual([])
  })

  test('an empty declaration leaves nothing but what it told', async () => {
    await fleet.release('nothing', '# nothing\n')
    await fleet.converged()
    for (const host of fleet.hosts) {
      const left = (await fleet.lines(host, 'left behind')).map(each => String(each['path']))
      console.log(host.name, 'left behind', left)
      expect(differences(before.get(host.name)!, await walk(host), left)).toEqual([])
    }
  })
})
