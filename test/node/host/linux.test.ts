// What the kernel refuses, by name, with the old state standing; and what hangs on a file beside its content. Needs
// root and a few tools; says what is skipped without them.
import { execFileSync, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { reasonOf } from '../../../node/host/linux.ts'
import type { System } from '../../../node/host/system.ts'
import { about, absent, copy, ground, line, payloads } from './ground.ts'

const child = fileURLToPath(new URL('linux-child.ts', import.meta.url))
const root = process.getuid!() === 0
const works = (...[tool, ...argv]: [string, ...string[]]) => spawnSync(tool, argv).status === 0
const mounts = root && works('unshare', '-m', 'mount', '-t', 'tmpfs', 'fleet-test', '/mnt')
if (!root) console.log('skipped: file systems, owners and attributes need root')
else if (!mounts) console.log('skipped: no mount namespace can be made here')

describe.skipIf(!mounts)('a file system that is', () => {
  const refused = (code: string, path: string, kind = 'wait') => ({
    kind,
    reasons: [[code, path]],
    dirty: [],
    unchanged: true,
    inForce: '1',
  })
  const fine = { kind: 'applied', reasons: [], dirty: [] }
  const cases: [string, object][] = [
    ['full', refused('DISK_FULL', '/etc/large')],
    ['full state', { ...refused('DISK_FULL', 'journal'), again: fine, replayed: '3' }],
    ['read-only', refused('READ_ONLY', '/etc/motd')],
    ['read-only half way', refused('READ_ONLY', '/mnt', 'failed')],
    ['a mount point', refused('BUSY', '/mnt', 'failed')],
    [
      'other file system',
      {
        there: fine,
        drift: [],
        kept: [
          ['/etc/excl/foreign', 'foreign', 'directory'],
          ['/etc/motd', 'content', 'file'],
        ],
        back: fine,
        unchanged: true,
        saved: [],
      },
    ],
  ]
  test.each(cases)('%s', (name, found) => {
    const { dir } = ground()
    const argv = ['-m', '--propagation', 'private', process.execPath, child, name, dir]
    const done = spawnSync('unshare', argv, { encoding: 'utf8' })
    expect(done.stderr).toBe('')
    expect(JSON.parse(done.stdout)).toEqual(found)
  })
})

describe.skipIf(!root)('what hangs on a file', () => {
  const attributes = (path: string) =>
    execFileSync('getfacl', ['-cpn', path], { encoding: 'utf8' }) +
    execFileSync('getfattr', ['-dm-', '--absolute-names', path], { encoding: 'utf8' }).replace(
      /^# file.*/,
      '',
    )

  for (const [name, change] of [
    ['COPY', copy('/motd', 'new', { mode: 'keep' })],
    ['LINE', line('/motd', 'new')],
    ['ABSENT', absent('/motd')],
  ] as const)
    test(`${name}: ACL and extended attributes stay, and come back`, async ({ skip }) => {
      const here = ground()
      here.fill({ '/motd': 'old\n' })
      const file = `${here.root}/motd`
      if (
        !works('setfacl', '-m', 'u:1234:rw', file) ||
        !works('setfattr', '-n', 'user.fleet', '-v', 'x', file)
      )
        return skip('setfacl or setfattr does not work here')
      const was = attributes(file)
      expect(was).toContain('user:1234:rw-')
      expect(was).toContain('user.fleet="x"')
      const engine = here.open()
      expect((await engine.run([change], about('1'), payloads)).notKept).toEqual([])
      if (name !== 'ABSENT') expect(attributes(file)).toBe(was)
      await engine.run([], about('2'), payloads)
      expect([here.read('/motd'), attributes(file)]).toEqual(['old\n', was])
      engine.close()
    })

  test('ACL and extended attributes return with a repair, even if the file is another or gone', async ({
    skip,
  }) => {
    const here = ground()
    here.fill({ '/motd': 'old\n', '/plain': 'old\n' })
    const file = `${here.root}/motd`
    if (!works('setfacl', '-m', 'u:1234:rw', file) || !works('setfattr', '-n', 'user.fleet', '-v', 'x', file))
      return skip('setfacl or setfattr does not work here')
    let carried = 0
    const wrap = (machine: System): System => ({
      ...machine,
      carry: pairs => {
        carried += pairs.length
        machine.carry(pairs)
      },
    })
    const engine = here.open({ wrap })
    const steps = [copy('/motd', 'new', { mode: '0664' }), copy('/plain', 'new')]
    expect((await engine.run(steps, about('1'), payloads)).notKept).toEqual([])
    const was = attributes(file)
    expect([carried, was.includes('user:1234:rw-')]).toEqual([1, true])
    for (const edit of [
      () => {
        fs.rmSync(file)
        fs.writeFileSync(file, 'mine')
      },
      () => fs.rmSync(file),
    ]) {
      edit()
      fs.writeFileSync(`${here.root}/plain`, 'mine')
      expect((await engine.audit(payloads)).repaired).toHaveLength(2)
      expect([here.read('/motd'), here.read('/plain'), attributes(file)]).toEqual(['new', 'new', was])
    }
    // The other file needs no process.
    expect(carried).toBe(3)
    engine.close()
  })

  test('owner: drift is repaired', async () => {
    const here = ground()
    const engine = here.open()
    await engine.run([copy('/motd', 'new', { owner: '12', group: '34', mode: '4755' })], about('1'), payloads)
    const was = here.walk()
    fs.chownSync(`${here.root}/motd`, 0, 0)
    expect((await engine.audit(payloads)).repaired).toHaveLength(1)
    expect(here.walk()).toEqual(was)
    expect(was).toEqual({ '/motd': '4755 12:34 new' })
    engine.close()
  })

  test.each(['/motd', '/'])('chattr +i on %s: IMMUTABLE, and nothing is changed', async path => {
    const here = ground()
    here.fill({ '/motd': 'old' })
    const was = here.walk()
    const engine = here.open()
    if (!works('chattr', '+i', here.root + path)) return console.log('skipped: chattr +i does not work here')
    try {
      const outcome = await engine.run([absent('/motd')], about('1'), payloads)
      expect(outcome.notKept.map(each => each.reason.code)).toEqual(['IMMUTABLE'])
      expect([outcome.dirty, here.walk()]).toEqual([[], was])
    } finally {
      works('chattr', '-i', here.root + path)
      engine.close()
    }
  })
})

test.each([
  ['ENOSPC', 'DISK_FULL'],
  ['EDQUOT', 'DISK_FULL'],
  ['EROFS', 'READ_ONLY'],
  ['EACCES', 'NO_PERMISSION'],
  ['EBUSY', 'BUSY'],
  ['ETXTBSY', 'BUSY'],
  ['ELOOP', 'SYMLINK_IN_PATH'],
  ['EIO', 'IO_FAILED'],
])('%s is %s', (errno, code) => expect(reasonOf(errno, true)).toBe(code))
