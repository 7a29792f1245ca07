import { spawn } from 'node:child_process'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { lineFor, openTerminals, quietMs, readSession, readUtmp } from '../../node/os-terminals.ts'

const made: string[] = []
afterEach(() => {
  for (const dir of made.splice(0)) fs.rmSync(dir, { recursive: true })
})

/** A record as pututxline(3) writes it on x86-64. */
function record(type: number, line: string, user: string): Uint8Array {
  const bytes = new Uint8Array(384)
  new DataView(bytes.buffer).setInt16(0, type, true)
  bytes.set(new TextEncoder().encode(line), 8)
  bytes.set(new TextEncoder().encode(user), 44)
  return bytes
}

describe('who is logged in', () => {
  test('utmp: people only, whole records only, no way out of /dev', () => {
    const bytes = Buffer.concat([
      record(2, '~', 'reboot'),
      record(7, 'pts/3', 'root'),
      record(8, 'pts/4', 'gone'),
      record(7, '../etc/passwd', 'evil'),
      record(7, 'tty1', 'a'.repeat(32)),
      record(7, 'pts/9', 'torn').subarray(0, 200),
    ])
    expect(readUtmp(bytes, 384)).toEqual([
      { user: 'root', line: 'pts/3' },
      { user: 'a'.repeat(32), line: 'tty1' },
    ])
  })

  test.each([
    ['UID=0\nUSER=root\nACTIVE=1\nSTATE=active\nTTY=pts/0\n', { user: 'root', line: 'pts/0' }],
    ['USER=root\nSTATE=closing\nTTY=pts/0\n', undefined],
    ['USER=root\nSTATE=active\nSERVICE=cron\n', undefined],
    ['USER=root\nTTY=/dev/sda\n', undefined],
    ['', undefined],
  ])('systemd: %j', (content, session) => expect(readSession(content)).toEqual(session))
})

describe('the line', () => {
  test.each([
    [
      ['/etc/motd'],
      '42 fix',
      'restored /etc/motd (release 42), your version: fleet drift, to hold it: fleet pause /etc/motd',
    ],
    [['/a', '/b', '/c'], '', 'restored /a and 2 more, your version: fleet drift, to hold it: fleet pause /a'],
    [['/x\x1b[2J\n\u202e'], '1', 'restored /x\\x1b[2J\\x0a\\u202e (release 1), '],
  ])('%j', (paths, label, words) => expect(lineFor(paths, label)).toContain(`\r\nfleet: ${words}`))
})

test('a real terminal: one line, then one for all that came too soon', async () => {
  const dir = fs.mkdtempSync(join(tmpdir(), 'fleet-tty-'))
  made.push(dir)
  const shell = spawn('script', ['-qfc', 'tty; exec sleep 60', '/dev/null'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let seen = ''
  shell.stdout.on('data', bytes => {
    seen += bytes
  })
  try {
    await vi.waitFor(() => expect(seen).toMatch(/\/dev\/pts\/\d+/))
    const line = /pts\/\d+/.exec(seen)![0]
    fs.writeFileSync(`${dir}/utmp`, Buffer.concat([record(7, line, 'me'), record(7, 'pts/99999', 'me')]))
    let now = 0
    const open = (uid: number) =>
      openTerminals({ now: () => now, run: dir, userId: name => (name === 'me' ? uid : undefined) })
    const strange = open(process.getuid!() + 1)
    strange.restored(['/not/yours'], '1 x')
    const mine = open(process.getuid!())
    mine.restored(['/etc/one'], '7 x')
    for (const path of ['/etc/two', '/etc/three', '/etc/three']) mine.restored([path], '7 x')
    await vi.waitFor(() => expect(seen).toContain('restored /etc/one (release 7)'))
    now += quietMs
    mine.restored(['/etc/four'], '7 x')
    await vi.waitFor(() => expect(seen).toContain('restored /etc/two and 2 more (release 7)'))
    expect(seen.match(/fleet: restored/g)).toHaveLength(2)
    expect(seen).not.toContain('/not/yours')
    mine.close()
    strange.close()
  } finally {
    shell.kill('SIGKILL')
  }
})
