// No half state, ever: runs between two declarations and none are cut short, by a kill of the agent or of the whole host,
// at random moments. What is found then is one of the three states, the journal opens, and the host goes on. RUN is left
// out: what a command did comes back by another command, or not at all.
import { statSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './command.ts'
import { addToPool } from './debs.ts'
import { inHostNode, LabFleet, scriptText } from './fleet.ts'
import type { Host } from './lab.ts'
import { shop } from './role.ts'
import { onLab } from './suite.ts'
import { differences, type Walk, walk } from './walk.ts'

/** Runs that are cut short, over all hosts; about every third by a power cut, or as FLEET_LAB_CUTS says (0 to 1). */
const runs = Number(process.env['FLEET_LAB_RUNS'] ?? 100)
const cuts = Number(process.env['FLEET_LAB_CUTS'] ?? 0.3)
const seed = Number(process.env['FLEET_LAB_SEED'] ?? Date.now() % 1_000_000)
/** Most runs are over after this; on a machine that is busy, after as long as whole ones took. Milliseconds. */
const leastMs = 1500

const unit = `[Unit]
Description=The application
[Service]
User=app
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
`
const both = `
GROUP apps gid=301
MKDIR /var/lib/app mode=0750
COPY files/unit /etc/systemd/system/app.service
COPY files/big /var/lib/app/big
`
const states = {
  a: `${both}
USER app uid=301 group=apps groups=adm system home=/var/lib/app
TREE files/a /etc/app exclusive
PACKAGE lab-tool version=1.0 undo=purge
LINE /etc/login.defs "UMASK 027" match="^UMASK\\b"
ABSENT /etc/issue.net
LINK /usr/local/bin/app -> /srv/app/current/bin/shop
UNPACK files/app-1.tar /srv/app version=1 strip=1 keep=0
SYSCTL net.core.somaxconn 5000
SERVICE app running enabled restart-on=/etc/app
TIMER app-tidy true every=1h
CHECK unit app.service
`,
  b: `${both}
USER app uid=301 group=apps groups=adm,games system home=/var/lib/app shell=/bin/sh
TREE files/b /etc/app mode=0600
PACKAGE lab-tool version=2.0 undo=purge
PACKAGE lab-other undo=purge
MODE /usr/bin/chage mode=0700
LINK /usr/local/bin/app -> /usr/bin/lab-tool
UNPACK files/app-2.tar /srv/app version=2 strip=1 keep=0
SYSCTL net.core.somaxconn 6000
SYSCTL net.ipv4.tcp_fin_timeout 25
SERVICE app running enabled restart-on=/etc/app
CHECK unit app.service
`,
  empty: '# nothing\n',
} as const
type Name = keyof typeof states
const names = Object.keys(states) as Name[]

const files: Readonly<Record<string, string>> = {
  'files/unit': unit,
  'files/big': 'x'.repeat(3 << 20),
  ...Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`files/a/conf.d/${at}`, `a ${at}\n`])),
  ...Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`files/b/conf.d/${at * 2}`, `b ${at}\n`])),
}

/** mulberry32. */
function dice(state: number): () => number {
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The disk, and what runs. */
async function look(host: Host): Promise<Walk> {
  const facts = await host.sh(
    'for u in app.service fleet-app-tidy.timer; do systemctl is-active $u || true; done; sysctl -n net.core.somaxconn net.ipv4.tcp_fin_timeout',
  )
  return new Map([...(await walk(host)), ['(runs)', facts.replaceAll('\n', ' ')]])
}

onLab('a run that is cut short', () => {
  let fleet: LabFleet
  const known = new Map<string, Map<Name, Walk>>()
  const recover = scriptText('recover.mjs')
  let longestMs = leastMs

  const publish = async (name: Name, subject: string) => {
    await fleet.release(subject, states[name])
  }
  /** When the journal of a host last grew; there is none before the first run. */
  const grown = (host: Host) => {
    const stat = statSync(host.at('/var/lib/fleet/host/journal'), { throwIfNoEntry: false })
    return `${stat?.size} ${stat?.mtimeMs}`
  }

  /** When its run begins. */
  const begun = (host: Host, before: string) =>
    until('its run to begin', () => (grown(host) === before ? undefined : performance.now()), 60_000, 2)

  beforeAll(async () => {
    fleet = await LabFleet.begin('crash', 3)
    await addToPool(fleet.lab, [
      {
        name: 'lab-tool',
        version: '1.0',
        files: { '/usr/bin/lab-tool': '#!/bin/sh\necho 1\n' },
      },
      {
        name: 'lab-tool',
        version: '2.0',
        files: { '/usr/bin/lab-tool': '#!/bin/sh\necho 2\n' },
      },
      {
        name: 'lab-other',
        version: '1.0',
        files: { '/usr/share/lab/other': 'other\n' },
        depends: 'lab-tool',
      },
    ])
    for (const [path, content] of Object.entries(files)) fleet.write(path, content)
    for (const version of ['1', '2']) fleet.write(`files/app-${version}.tar`, shop(version))
    // It is started by hand, so that a host can be looked at before its agent goes on.
    await Promise.all(
      fleet.hosts.map(async host => {
        await host.write('/etc/systemd/system/fleet.service.d/by-hand.conf', '[Service]\nRestart=no\n')
        await host.sh('systemctl disable -q fleet; systemctl daemon-reload; systemctl restart fleet')
        await fleet.answers(host)
        known.set(host.name, new Map([['empty', await look(host)]]))
      }),
    )
    for (const name of ['a', 'b'] as const) {
      const before = fleet.hosts.map(grown)
      const began = Promise.all(fleet.hosts.map((host, at) => begun(host, before[at]!)))
      await publish(name, name)
      const since = Math.min(...(await began))
      await fleet.converged()
      longestMs = Math.max(longestMs, performance.now() - since)
      await Promise.all(fleet.hosts.map(async host => known.get(host.name)!.set(name, await look(host))))
    }
  })
  afterAll(() => (process.env['FLEET_LAB_KEEP'] ? undefined : fleet?.close()))

  /** What differs from each of the states it may be in; the name of the one it is in. */
  async function stateOf(host: Host, allowed: readonly Name[], left: readonly string[] = []): Promise<Name> {
    const now = await look(host)
    const told = allowed.map(name => ({
      name,
      differs: differences(known.get(host.name)!.get(name)!, now, left),
    }))
    const found = told.find(each => each.differs.length === 0)
    if (found !== undefined) return found.name
    const text = told.map(({ name, differs }) => `not ${name}:\n  ${differs.slice(0, 12).join('\n  ')}`)
    throw new Error(`${host.name} is in no state that it may be in\n${text.join('\n')}`)
  }

  test(`leaves the old state or the new one, ${runs} times`, { timeout: 2_400_000 }, async () => {
    console.log(`FLEET_LAB_SEED=${seed} FLEET_LAB_RUNS=${runs}, within ${longestMs.toFixed(0)} ms`)
    const random = dice(seed)
    const tally = { kills: 0, cuts: 0, undone: 0, finished: 0 }
    let now: Name = 'b'
    for (let done = 0; done < runs; done += fleet.hosts.length) {
      const others = names.filter(each => each !== now)
      const next: Name = others[Math.floor(random() * others.length)]!
      const moments = fleet.hosts.map(() => ({ cut: random() < cuts, ms: random() * longestMs }))
      const said = `round ${1 + done / fleet.hosts.length}, ${now} -> ${next}`
      // The laptop leaves when one host has it, which may be cut off before it has told the others later.
      await fleet.met()
      const before = fleet.hosts.map(grown)
      const publishing = publish(next, said)
      await Promise.all(
        fleet.hosts.map(async (host, at) => {
          const { cut, ms } = moments[at]!
          const what = `${said}, ${host.name} ${cut ? 'cut' : 'killed'} ${ms.toFixed(0)} ms into its run`
          let recovered = 'none'
          try {
            await begun(host, before[at]!)
            await new Promise(resolve => setTimeout(resolve, ms))
            if (cut) {
              await host.kill()
              await host.start()
            } else {
              await host.exec(['systemctl', 'kill', '--signal=KILL', '--kill-who=main', 'fleet'], {
                exits: 'any',
              })
              await until('its end', async () =>
                (await host.exec(['systemctl', 'is-active', 'fleet'], { exits: 'any' })).exit === 0
                  ? undefined
                  : true,
              )
            }
            const ran = await host.exec(
              [inHostNode, '--disable-warning=ExperimentalWarning', '--input-type=module', '-'],
              {
                input: recover,
              },
            )
            recovered = ran.stdout
            const { undone, dirty } = JSON.parse(recovered) as { undone: boolean; dirty: unknown[] }
            const found = await stateOf(host, [now, next])
            tally[cut ? 'cuts' : 'kills']++
            tally[found === next ? 'finished' : 'undone']++
            if (undone) expect(found).toBe(now)
            expect(dirty).toEqual([])
          } catch (error) {
            throw new Error(`${what}: ${(error as Error).message}\nrecovery: ${recovered}`)
          }
        }),
      )
      await publishing
      for (const host of fleet.hosts) await host.sh('systemctl start fleet')
      await fleet.converged()
      now = next
      await Promise.all(fleet.hosts.map(host => stateOf(host, [now])))
    }
    console.log(`runs cut short: ${JSON.stringify(tally)}`)
  })
})
