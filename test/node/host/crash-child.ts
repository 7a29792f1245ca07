// A process that dies in the middle: runs a list of steps and kills itself at the n-th call that changes something,
// an append half written. The parent (crash.test.ts) looks at what is left.
import type { Step } from '../../../node/host/steps/step.ts'
import type { System } from '../../../node/host/system.ts'
import { about, absent, copy, type Ground, ground, line, link, mkdir, payloads, run, step } from './ground.ts'
import { type Fake, fakeProviders } from './providers.ts'
import { tar } from './tars.ts'

export const tree: Record<string, string> = {
  '/etc/motd': 'old motd\n',
  '/etc/conf': '#Root yes\nother\nRoot maybe\nlast',
  '/etc/hosts': '127.0.0.1 localhost\n',
  '/etc/alias': '-> motd',
  '/etc/dir/kept': 'kept',
  '/etc/excl/one': '1',
  '/etc/excl/sub/two': '2',
  '/etc/gone/a': 'a',
  '/etc/gone/b/c': 'c',
  '/etc/single': 's',
  '/etc/sysctl.d/': '',
}

const files = (prefix: string, from: number, to: number, content: string) =>
  Array.from({ length: to - from }, (_, index) =>
    copy(`${prefix}/f${from + index}`, `${content} ${from + index}`),
  )

/** In force before the crash. */
export const first: readonly Step[] = [
  mkdir('/srv'),
  mkdir('/srv/app', { mode: '0750' }),
  ...files('/srv/app', 0, 12, 'first'),
  copy('/etc/motd', 'first motd\n', { mode: '0600' }),
  link('/srv/link', 'app'),
  line('/etc/hosts', '10.0.0.1 first', '^10\\.0'),
  absent('/etc/single'),
  mkdir('/etc/dir', { mode: '0700' }),
  step('GROUP', ['old'], { gid: '2000' }),
  step('PACKAGE', ['tool']),
]

const archive = (version: string) =>
  step(
    'UNPACK',
    ['files/app.tar', '/opt'],
    { version },
    new TextDecoder().decode(tar({ name: 'bin', content: version })),
  )

/** Fifty steps, mixed, in several legs. */
export const second: readonly Step[] = [
  mkdir('/srv'),
  mkdir('/srv/app', { mode: '0755' }),
  ...files('/srv/app', 4, 20, 'second'),
  mkdir('/srv/new'),
  mkdir('/srv/new/deep'),
  ...files('/srv/new/deep', 0, 12, 'deep'),
  copy('/etc/motd', 'second motd\n'),
  copy('/etc/conf2', 'two'),
  link('/srv/link', 'new'),
  link('/etc/alias', 'hosts'),
  line('/etc/hosts', '10.0.0.2 second', '^10\\.0'),
  line('/etc/conf', 'Root no', '^#?Root'),
  line('/etc/conf', 'appended'),
  absent('/etc/gone'),
  mkdir('/etc/excl', { exclusive: '', mode: '0711' }),
  copy('/etc/excl/three', '3'),
  copy('/etc/single', 'mine'),
  run('touch ran', { undo: 'rm -f ran' }),
  copy('/etc/last', 'last'),
  run('touch reloaded', { on: '/etc/last', undo: 'rm -f reloaded' }),
  step('GROUP', ['deploy'], { gid: '2001' }),
  step('USER', ['deploy'], { uid: '2001', group: 'deploy' }),
  step('SYSCTL', ['vm.swappiness', '10']),
  step('PACKAGE', ['daemon']),
  step('SERVICE', ['daemon.service'], { stopped: '' }),
  copy('/usr/lib/with-daemon', 'x'),
  archive('2'),
]

const changing: ReadonlySet<keyof System> = new Set([
  ...(['create', 'mkdir', 'symlink', 'chmod', 'chown', 'rename', 'link', 'unlink', 'rmdir', 'copy'] as const),
  ...(['removeTree', 'carry', 'flush', 'append', 'replace', 'truncate', 'run', 'unpack'] as const),
])

/** The providers of a ground; what they do outlives the process. */
export function fakeOf(here: Ground, touch?: () => void): Fake {
  return fakeProviders(here.dir, here.root, touch)
}

export function dying(machine: System, at: number, counted: { calls: number }): System {
  return new Proxy(machine, {
    get: (target, name) => {
      const value = Reflect.get(target, name)
      if (!changing.has(name as keyof System)) return value
      return (...args: unknown[]) => {
        die(at, counted, () => {
          if (name === 'append')
            target.append(args[0] as string, (args[1] as Uint8Array).subarray(0, 40), false)
        })
        return value(...args)
      }
    },
  })
}

/** When its turn has come; `last`: what is still done. */
function die(at: number, counted: { calls: number }, last = () => {}): void {
  if (counted.calls++ !== at) return
  last()
  process.kill(process.pid, 'SIGKILL')
  for (;;);
}

const [, script, dir, mode, at] = process.argv
if (script?.endsWith('crash-child.ts') && dir !== undefined) {
  const counted = { calls: 0 }
  const here = ground(dir)
  const { providers } = fakeOf(here, () => die(Number(at), counted))
  const engine = here.open({ providers, wrap: machine => dying(machine, Number(at), counted) })
  await engine.recover()
  if (mode === 'apply') await engine.run(second, about('2'), payloads)
  if (mode === 'undo') await engine.run([], about('0'), payloads)
  console.log(counted.calls)
  engine.close()
}
