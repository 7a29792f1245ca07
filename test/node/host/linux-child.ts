// File systems that ordinary tests do not have: full, read-only, more than one. Started in a mount namespace of its
// own by linux.test.ts, so that every mount ends with it; answers by a line of JSON.
import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import type { RunOutcome } from '../../../node/host/main.ts'
import type { Step } from '../../../node/host/steps/step.ts'
import { about, absent, copy, type Ground, ground, line, link, mkdir, payloads } from './ground.ts'

const mount = (...argv: string[]) => execFileSync('mount', argv)
const tmpfs = (at: string, size: string) => {
  fs.mkdirSync(at, { recursive: true })
  mount('-t', 'tmpfs', '-o', `mode=755,size=${size}`, 'fleet-test', at)
}
const readOnly = (at: string) => {
  mount('--bind', at, at)
  mount('-o', 'remount,bind,ro', at)
}
/** All but the last `left` bytes. */
const fill = (at: string, left: number) => {
  const { bavail, bsize } = fs.statfsSync(at)
  fs.writeFileSync(`${at}/ballast`, new Uint8Array(bavail * bsize - left))
}
const short = ({ kind, notKept, dirty }: RunOutcome) => ({
  kind,
  reasons: notKept.map(({ reason }) => [reason.code, reason.path]),
  dirty: dirty.map(each => each.code),
})

async function refused(here: Ground, steps: readonly Step[], restrict: () => void) {
  const engine = here.open()
  await engine.run([copy('/etc/first', 'first')], about('1'), payloads)
  restrict()
  const was = here.walk()
  const outcome = await engine.run([copy('/etc/first', 'first'), ...steps], about('2'), payloads)
  const unchanged = JSON.stringify(here.walk()) === JSON.stringify(was)
  return { engine, found: { ...short(outcome), unchanged, inForce: engine.inForce()!.about.id } }
}

const scenarios: Record<string, (here: Ground) => Promise<object>> = {
  full: async here => {
    tmpfs(`${here.root}/etc`, '1m')
    here.fill({ '/etc/motd': 'old' })
    const steps = [copy('/etc/motd', 'new'), copy('/etc/large', 'x'.repeat(100_000))]
    return (await refused(here, steps, () => fill(`${here.root}/etc`, 50_000))).found
  },
  'full state': async here => {
    tmpfs(here.state, '1m')
    here.fill({ '/etc/motd': 'old' })
    const steps = [
      copy('/etc/motd', 'new'),
      ...Array.from({ length: 200 }, (_, at) => copy(`/etc/${at}`, 'x')),
    ]
    const { engine, found } = await refused(here, steps, () => fill(here.state, 4096))
    fs.rmSync(`${here.state}/ballast`)
    const again = await engine.run(steps, about('3'), payloads)
    engine.close()
    const other = here.open()
    return { ...found, again: short(again), replayed: other.inForce()!.about.id }
  },
  'read-only': async here => {
    here.fill({ '/etc/motd': 'old' })
    return (await refused(here, [copy('/etc/motd', 'new')], () => readOnly(`${here.root}/etc`))).found
  },
  'read-only half way': async here => {
    here.fill({ '/etc/motd': 'old', '/mnt/x': 'x' })
    const steps = [copy('/etc/motd', 'new'), mkdir('/etc/d'), mkdir('/mnt', { mode: '0700' })]
    return (await refused(here, steps, () => readOnly(`${here.root}/mnt`))).found
  },
  'a mount point': async here => {
    here.fill({ '/etc/motd': 'old' })
    const steps = [copy('/etc/motd', 'new'), absent('/mnt')]
    return (await refused(here, steps, () => tmpfs(`${here.root}/mnt`, '1m'))).found
  },
  'other file system': async here => {
    tmpfs(here.state, '8m')
    here.fill({
      '/etc/motd': 'old',
      '/etc/alias': '-> motd',
      '/etc/conf': 'a\nb\n',
      '/etc/tree/sub/x': 'x',
      '/etc/excl/own': 'own',
    })
    fs.chmodSync(`${here.root}/etc/motd`, 0o4750)
    fs.chownSync(`${here.root}/etc/tree/sub/x`, 3, 4)
    const was = here.walk()
    const engine = here.open()
    const steps = [
      copy('/etc/motd', 'new'),
      link('/etc/alias', 'x'),
      line('/etc/conf', 'c'),
      absent('/etc/tree'),
      mkdir('/etc/excl', { exclusive: '' }),
    ]
    const there = short(await engine.run(steps, about('1'), payloads))
    here.fill({ '/etc/excl/foreign/x': 'foreign', '/etc/motd': 'edited' })
    const audit = await engine.audit(payloads)
    const kept = engine.drift.list().map(each => [each.path, each.what, each.type])
    const back = short(await engine.run([], about('2'), payloads))
    return {
      there,
      drift: audit.notKept.map(each => each.reason),
      kept: kept.toSorted(),
      back,
      unchanged: JSON.stringify(here.walk()) === JSON.stringify(was),
      saved: fs.readdirSync(`${here.state}/saved`),
    }
  },
}

const [, script, name, dir] = process.argv
if (script?.endsWith('linux-child.ts')) console.log(JSON.stringify(await scenarios[name!]!(ground(dir))))
