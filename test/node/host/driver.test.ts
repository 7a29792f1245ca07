// The 2 a.m. fix: every way of saving is repaired, and what was saved is kept.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { watch as startWatch, type WatchEvent } from '../../../node/host/driver.ts'
import { openListener } from '../../../node/host/linux-listen.ts'
import type { Engine } from '../../../node/host/main.ts'
import { truceMs } from '../../../node/host/watch.ts'
import { about, copy, type Ground, ground, link, mkdir, payloads, step } from './ground.ts'

let here: Ground
let engine: Engine
let watch: { close(): void }
let events: WatchEvent[]
let file: string
let clock: number
/** Both of a host: what the machine's shows, and the one that nobody sets. */
const clocks = {
  now: () => Date.now() + clock,
  timing: {
    now: () => performance.now() + clock,
    wait: (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms)),
  },
}

beforeEach(async () => {
  here = ground()
  clock = 0
  engine = here.open(clocks)
  events = []
  await engine.run(
    [
      mkdir('/etc'),
      mkdir('/etc/own', { exclusive: '', ignore: '*.tmp' }),
      copy('/etc/own/conf', 'declared\n'),
      link('/etc/l', 'own'),
    ],
    about('1'),
    payloads,
  )
  file = `${here.root}/etc/own/conf`
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
})
afterEach(() => {
  watch.close()
  engine.close()
})

const restored = () =>
  vi.waitFor(() => {
    expect(fs.readFileSync(file, 'utf8')).toBe('declared\n')
    expect(fs.statSync(file).mode & 0o777).toBe(0o644)
    expect(fs.readdirSync(`${here.root}/etc/own`)).toEqual(['conf'])
  })
const kept = () => {
  clock += 10_000
  engine.drift.settle()
  return engine.drift.list().map(({ id, path, what }) => {
    const bytes = engine.drift.read(id)
    return [path, what, bytes === undefined ? undefined : new TextDecoder().decode(bytes)]
  })
}

describe('a managed file', () => {
  const vim = spawnSync('vim', ['--version']).status === 0
  const nano = spawnSync('nano', ['--version']).status === 0
  const ways: [string, () => void][] = [
    ['truncated and written', () => fs.writeFileSync(file, 'mine\n')],
    [
      'saved by rename',
      () => {
        fs.writeFileSync(`${here.dir}/new`, 'mine\n')
        fs.renameSync(`${here.dir}/new`, file)
      },
    ],
    ['changed by sed -i', () => execFileSync('sed', ['-i', 's/declared/mine/', file])],
    [
      'copied over',
      () => {
        fs.writeFileSync(`${here.dir}/new`, 'mine\n')
        execFileSync('cp', [`${here.dir}/new`, file])
      },
    ],
  ]
  for (const [name, edit] of ways)
    test(`${name}: restored and kept`, async () => {
      edit()
      await restored()
      await vi.waitFor(() => expect(kept()).toContainEqual(['/etc/own/conf', 'content', 'mine\n']))
    })

  /** What was saved is kept, whole; the file is as declared, and stays so without more ado. */
  const settled = async () => {
    await restored()
    await vi.waitFor(() => expect(kept()).toContainEqual(['/etc/own/conf', 'content', 'mine\n']))
    expect(kept().filter(each => each[2] === '')).toEqual([])
    expect((await engine.audit(payloads)).repaired).toEqual([])
    const looks = events.filter(each => each.kind === 'looked')
    expect(looks.length).toBeLessThanOrEqual(5)
    expect(events.map(each => each.kind)).not.toContain('contested')
  }
  const backup = () => `${here.dir}/conf~`
  const editors: [string, () => void][] = [
    [
      'writes in place',
      () => {
        const fd = fs.openSync(file, 'r+')
        fs.writeSync(fd, 'mine\n', 0)
        fs.ftruncateSync(fd, 5)
        fs.closeSync(fd)
      },
    ],
    [
      'truncates, then writes',
      () => {
        const fd = fs.openSync(file, 'w')
        fs.writeSync(fd, 'mine\n')
        fs.fsyncSync(fd)
        fs.closeSync(fd)
      },
    ],
    [
      'writes a new file and renames it',
      () => {
        const next = `${here.root}/etc/own/conf.tmp`
        fs.writeFileSync(next, 'mine\n')
        fs.chmodSync(next, 0o600)
        fs.renameSync(next, file)
      },
    ],
    [
      'renames the old one to a backup, writes a new one, sets its mode',
      () => {
        fs.renameSync(file, backup())
        fs.writeFileSync(file, 'mine\n')
        fs.chmodSync(file, 0o640)
        fs.unlinkSync(backup())
      },
    ],
    [
      'is ed',
      () => {
        spawnSync('ed', ['-s', file], { input: ',s/declared/mine/\nw\nq\n', timeout: 5000 })
      },
    ],
  ]
  for (const [name, save] of editors)
    test(`an editor that ${name}: nothing is lost, nobody fights`, async () => {
      save()
      await settled()
    })

  test('an editor that takes its time between backup, new file and mode', async () => {
    fs.renameSync(file, backup())
    await restored()
    const fd = fs.openSync(file, 'w')
    await restored()
    fs.writeSync(fd, 'mine\n')
    fs.closeSync(fd)
    fs.chmodSync(file, 0o640)
    await settled()
  })

  for (const way of ['yes', 'no', 'auto'])
    test.skipIf(!vim)(`vim with backupcopy=${way}`, async () => {
      const commands = [`set backupcopy=${way} backup`, '%s/declared/mine/', 'wq!'].flatMap(each => [
        '-c',
        each,
      ])
      spawnSync('vim', ['-u', 'NONE', '-es', '-c', `set backupdir=${here.dir}`, ...commands, file], {
        timeout: 5000,
      })
      await settled()
    })

  test.skipIf(!nano)('nano', async () => {
    const shell = spawn('script', ['-qfc', `TERM=xterm nano -I ${file}`, '/dev/null'])
    let seen = ''
    shell.stdout.on('data', bytes => {
      seen += bytes
    })
    try {
      await vi.waitFor(() => expect(seen).toContain('declared'))
      // Cut the line, write another, save, leave.
      shell.stdin.write('\x0bmine\x0f\r\x18')
      await vi.waitFor(() => expect(engine.drift.list()).not.toEqual([]), { timeout: 5000 })
      await settled()
    } finally {
      shell.kill('SIGKILL')
    }
  })

  test('an editor that truncates first and writes later leaves no empty copy', async () => {
    const fd = fs.openSync(file, 'w')
    await restored()
    fs.writeSync(fd, 'written late\n')
    fs.closeSync(fd)
    expect(kept()).toEqual([['/etc/own/conf', 'content', 'written late\n']])
    expect(fs.readFileSync(file, 'utf8')).toBe('declared\n')
  })

  test('deleted, or with another mode: restored and noted', async () => {
    fs.unlinkSync(file)
    await restored()
    fs.chmodSync(file, 0o600)
    await restored()
    await vi.waitFor(() =>
      expect(kept().map(each => each[1])).toEqual(expect.arrayContaining(['missing', 'attributes'])),
    )
  })
})

test('foreign things in an exclusive directory are kept and removed; ignored ones stay', async () => {
  fs.writeFileSync(`${here.root}/etc/own/x.tmp`, '')
  fs.mkdirSync(`${here.root}/etc/own/sub`)
  fs.writeFileSync(`${here.root}/etc/own/foreign`, 'foreign')
  await vi.waitFor(() => expect(fs.readdirSync(`${here.root}/etc/own`).sort()).toEqual(['conf', 'x.tmp']))
  await vi.waitFor(() => expect(kept()).toContainEqual(['/etc/own/foreign', 'foreign', 'foreign']))
})

test('a directory removed with all in it comes back, and is listened to again', async () => {
  fs.rmSync(`${here.root}/etc/own`, { recursive: true })
  await restored()
  await vi.waitFor(() => expect(events.some(each => each.kind === 'looked')).toBe(true))
  await engine.audit(payloads)
  fs.writeFileSync(file, 'again')
  await restored()
})

test('a directory that nobody declared is moved away and back: what is in it is listened to again', async () => {
  watch.close()
  here.fill({ '/srv/app/': '' })
  const steps = [mkdir('/etc'), copy('/srv/app/conf', 'declared\n')]
  await engine.run(steps, about('2'), payloads)
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
  const conf = `${here.root}/srv/app/conf`
  const right = () => vi.waitFor(() => expect(fs.readFileSync(conf, 'utf8')).toBe('declared\n'))
  fs.renameSync(`${here.root}/srv/app`, `${here.root}/srv/away`)
  await vi.waitFor(() => expect(JSON.stringify(events)).toContain('NO_PARENT'))
  fs.writeFileSync(`${here.root}/srv/away/conf`, 'mine')
  fs.renameSync(`${here.root}/srv/away`, `${here.root}/srv/app`)
  await right()
  fs.writeFileSync(conf, 'mine again')
  await right()
  // With the one above it, which is not listened to: audits find out.
  fs.renameSync(`${here.root}/srv`, `${here.root}/old`)
  here.fill({ '/srv/app/conf': 'other' })
  await engine.audit(payloads)
  await right()
  fs.writeFileSync(conf, 'mine once more')
  await right()
})

test('logrotate beside a managed file is nobody’s business', async () => {
  watch.close()
  const logs = `${here.root}/var/log`
  here.fill({ '/var/log/app.log': 'lines' })
  await engine.run([copy('/var/log/README', 'declared\n')], about('2'), payloads)
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
  events.length = 0
  for (let day = 0; day < 20; day++) {
    fs.renameSync(`${logs}/app.log`, `${logs}/app.log.${day}`)
    fs.writeFileSync(`${logs}/app.log`, 'lines')
  }
  fs.writeFileSync(`${logs}/README`, 'mine')
  await vi.waitFor(() => expect(fs.readFileSync(`${logs}/README`, 'utf8')).toBe('declared\n'))
  await engine.audit(payloads)
  const looks = events.flatMap(each => (each.kind === 'looked' ? each.outcome.repaired : []))
  expect(looks.map(each => each.id)).toEqual(['COPY /var/log/README'])
  expect(fs.readdirSync(logs)).toHaveLength(22)
})

test('a file of which only the mode is ours may be edited; its mode comes back', async () => {
  watch.close()
  here.fill({ '/etc/theirs': 'one\n' })
  const theirs = `${here.root}/etc/theirs`
  const steps = [mkdir('/etc'), step('MODE', ['/etc/theirs'], { mode: '0640' })]
  await engine.run(steps, about('2'), payloads)
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
  events.length = 0
  execFileSync('sed', ['-i', 's/one/two/', theirs])
  expect((await engine.audit(payloads)).repaired).toEqual([])
  fs.chmodSync(theirs, 0o666)
  await vi.waitFor(() => expect(fs.statSync(theirs).mode & 0o777).toBe(0o640))
  expect(fs.readFileSync(theirs, 'utf8')).toBe('two\n')
})

describe('a step that only observes', () => {
  const declared = (content: string) => [mkdir('/etc'), copy('/etc/seen', content, { observe: '' })]
  const seen = () => here.read('/etc/seen')
  beforeEach(async () => {
    watch.close()
    await engine.run(declared('declared\n'), about('2'), payloads)
    watch = engine.watch(payloads, event => events.push(event))
    await engine.audit(payloads)
  })

  test('says what it found, by events and in audits, and repairs nothing', async () => {
    fs.writeFileSync(`${here.root}/etc/seen`, 'mine')
    await vi.waitFor(() => expect(JSON.stringify(events)).toContain('OBSERVED'))
    const { notKept, repaired } = await engine.audit(payloads)
    expect(repaired).toEqual([])
    expect(notKept.map(each => each.reason)).toEqual([
      {
        code: 'OBSERVED',
        path: '/etc/seen',
        detail: 'found other content of 4 bytes; expected the declared 9 bytes',
      },
    ])
  })

  test('a release repairs it when it is changed, and only then', async () => {
    fs.writeFileSync(`${here.root}/etc/seen`, 'mine')
    await engine.run(declared('declared\n'), about('3'), payloads)
    expect(seen()).toBe('mine')
    expect((await engine.audit(payloads)).notKept).toHaveLength(1)
    await engine.run(declared('other\n'), about('4'), payloads)
    expect(seen()).toBe('other\n')
    expect((await engine.audit(payloads)).notKept).toEqual([])
  })
})

test('a repair that fails is tried again later, not at once for each event', async () => {
  const before = events.length
  fs.writeFileSync(file, 'mine')
  execFileSync('chattr', ['+i', file])
  try {
    await vi.waitFor(() => expect(JSON.stringify(events.slice(before))).toContain('IMMUTABLE'))
    expect(JSON.stringify(events.slice(before))).toContain('"failed":["COPY /etc/own/conf"]')
  } finally {
    execFileSync('chattr', ['-i', file])
  }
  // The attempt that is due later, without an event or an audit.
  await vi.waitFor(() => expect(fs.readFileSync(file, 'utf8')).toBe('declared\n'), { timeout: 10_000 })
})

test('a file that is written to while it is repaired is repaired all the same, at once', async () => {
  watch.close()
  engine.close()
  let writes = 2
  engine = here.open({
    wrap: machine => ({
      ...machine,
      create: (path, bytes, ownership) => {
        const made = machine.create(path, bytes, ownership)
        if (path.startsWith('/etc/own/') && writes-- > 0) fs.writeFileSync(file, `still writing ${writes}`)
        return made
      },
    }),
  })
  await engine.recover()
  fs.writeFileSync(file, 'mine')
  const { repaired, notKept } = await engine.audit(payloads)
  expect([repaired.length, notKept]).toEqual([1, []])
  expect(fs.readFileSync(file, 'utf8')).toBe('declared\n')
  expect(kept()).toContainEqual(['/etc/own/conf', 'content', 'still writing 0'])
})

test('between audits nothing that is managed is touched but what an event names', async () => {
  watch.close()
  engine.close()
  const asked: string[] = []
  const record = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (object, name) => {
        const value = Reflect.get(object, name)
        if (typeof value !== 'function') return value
        return (...args: unknown[]) => {
          asked.push(...args.filter(each => typeof each === 'string'))
          return value.apply(object, args)
        }
      },
    })
  engine = here.open({ wrap: record })
  await engine.recover()
  const files = Array.from({ length: 30 }, (_, at) => `/etc/own/f${at}`)
  const steps = [mkdir('/etc'), mkdir('/etc/own'), ...files.map(path => copy(path, path))]
  await engine.run(steps, about('2'), payloads)
  watch = engine.watch(payloads, event => events.push(event))
  await engine.audit(payloads)
  asked.length = 0
  fs.writeFileSync(`${here.root}/etc/own/stranger`, 'x')
  fs.writeFileSync(`${here.root}${files[3]}`, 'mine')
  await vi.waitFor(() => expect(here.read(files[3]!)).toBe(files[3]))
  await vi.waitFor(() => expect(asked).toContain('journal'))
  expect(files.filter(path => asked.includes(path))).toEqual([files[3]])
  expect(asked.filter(path => path.includes('stranger'))).toEqual([])
})

test('a paused file is left alone until the pause ends', async () => {
  engine.pause('/etc/own', Date.now() + 60_000, 'looking')
  fs.writeFileSync(file, 'mine')
  await engine.audit(payloads)
  expect(fs.readFileSync(file, 'utf8')).toBe('mine')
  engine.unpause('/etc/own')
  await engine.audit(payloads)
  await restored()
})

describe('a kept edit after a crash', () => {
  const reopened = () => {
    engine.close()
    engine = here.open(clocks)
  }
  beforeEach(async () => {
    watch.close()
    fs.writeFileSync(file, 'mine\n')
    await engine.audit(payloads)
  })

  test('that came before it was quiet: its entry was there at once', async () => {
    const [entry] = engine.drift.list()
    reopened()
    expect(engine.drift.list()).toEqual([entry])
    expect(kept()).toEqual([['/etc/own/conf', 'content', 'mine\n']])
  })

  for (const [name, harm] of [
    ['lost', (index: string) => fs.rmSync(index)],
    ['torn', (index: string) => fs.truncateSync(index, 90)],
  ] as const)
    test(`whose entry is ${name}: its bytes are listed still`, () => {
      harm(`${here.state}/drift/${engine.drift.list()[0]!.id}.json`)
      reopened()
      expect(kept()).toEqual([['unknown', 'content', 'mine\n']])
      reopened()
      expect(kept()).toEqual([['unknown', 'content', 'mine\n']])
    })

  test('that came before its bytes had their name: nothing is listed', () => {
    fs.rmSync(`${here.state}/drift/${engine.drift.list()[0]!.id}`)
    reopened()
    expect(engine.drift.list()).toEqual([])
    expect(fs.readdirSync(`${here.state}/drift`)).toEqual([])
  })
})

test('two managers: after ten repairs in a row the target is contested, and no audit fights on', async () => {
  for (let round = 0; round < 11; round++) {
    fs.writeFileSync(file, `round ${round}`)
    await restored()
    await engine.audit(payloads)
  }
  await vi.waitFor(() => expect(events.map(each => each.kind)).toContain('contested'))
  fs.writeFileSync(file, 'theirs')
  const { repaired, notKept } = await engine.audit(payloads)
  expect([repaired, notKept.map(each => each.reason.code)]).toEqual([[], ['CONTESTED']])
  expect(fs.readFileSync(file, 'utf8')).toBe('theirs')
  clock += truceMs
  expect((await engine.audit(payloads)).repaired).toHaveLength(1)
})

test('a kept edit that cannot be finished now is tried again, and ends nothing', async () => {
  const after = (ms: number, action: () => void) => {
    const timer = setTimeout(action, ms)
    return () => clearTimeout(timer)
  }
  let calls = 0
  const nothing = { kept: 0, repaired: [], notKept: [], failed: [], waiting: [] }
  const looking = startWatch(
    {
      now: Date.now,
      steady: Date.now,
      where: path => path,
      providers: new Map(),
      look: async () => nothing,
      audit: async () => ({ ...nothing, repaired: [copy('/etc/x', 'x')] }),
      adopt: async () => {},
      busy: () => false,
      settle: () => {
        if (calls++ === 0) return Date.now() + 1
        throw new Error('no space')
      },
      isTemporary: () => false,
      ears: { listen: openListener, queuedMax: 16, after },
    },
    [],
    event => events.push(event),
  )
  await vi.waitFor(() =>
    expect(events).toContainEqual({
      kind: 'failed',
      error: expect.objectContaining({ message: 'no space' }),
    }),
  )
  looking.close()
})
