// dpkg itself, ended at a call that changes something, in turn: what it unpacked goes, what was there before comes back.
import * as fs from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPackages } from '../../node/host/linux-packages.ts'
import type { PackageState } from '../../node/host/packages.ts'
import { type Change, type Provider, resourceId } from '../../node/host/resource.ts'
import { openDebian } from './debian.ts'

const hasStrace = fs.existsSync('/usr/bin/strace')
const debian = hasStrace ? openDebian() : undefined
if (!debian) console.log('no dpkg is cut off: needs root on a Debian with overlays and strace')
const all = process.env['FLEET_CRASH'] === 'all'

const calls = 'rename,unlink,unlinkat,mkdir,mkdirat,rmdir,link,symlink'
/** Ends dpkg before the call of that number (and on that path), which it is told by a file. */
const cutting = `#!/bin/sh
case "$*" in *--unpack*|*--configure*|*--remove*) ;; *) exec /usr/bin/dpkg "$@" ;; esac
test -e /cut-at || exec /usr/bin/dpkg "$@"
read -r call path </cut-at
exec strace -f -qq -o /dev/null \${path:+-P "$path"} -e trace=${calls} -e inject=${calls}:signal=KILL:when=$call /usr/bin/dpkg "$@"
`

describe.skipIf(debian === undefined)('dpkg that is cut off', () => {
  const machine = debian!
  let apt: Provider
  const at = (path: string) => `${machine.root}${path}`
  /** What a transaction may touch; without logs, locks and copies that dpkg makes for itself. */
  const seen = () =>
    machine.sh(`{
      find /opt/fu /usr/share/doc/fu* /usr/share/fu /etc/fu /var/lib/dpkg/info/fu* -type f -exec sha1sum {} + || true
      find /opt/fu /usr/share/doc/fu* /usr/share/fu /etc/fu /var/lib/dpkg -not -path '*/triggers/*' -not -name '*-old' \
        -not -name available -not -name 'lock*' -printf '%p %y %m %l\n' || true
      dpkg-query -W -f '\${Package} \${Version} \${Status}\n' 'fu*' | grep -v not-installed
    } 2>/dev/null | sort`)
  const change = (name: string, to: Partial<PackageState> | null): Change => ({
    id: resourceId('package', name),
    from: null,
    to: to && { version: '', held: false, automatic: false, ...to },
    purge: true,
  })
  const go = (...changes: Change[]) => apt.change(changes)
  /** The transaction, ended before its call `call`, then what an agent does first; false: it had fewer. */
  const cut = async (call: number, changes: readonly Change[], path = '') => {
    fs.writeFileSync(at('/cut-at'), `${call} ${path}\n`)
    const failed = await go(...changes).then(
      () => false,
      () => true,
    )
    fs.rmSync(at('/cut-at'))
    apt = openPackages(machine.root, machine.state)!
    if (failed) await apt.recover(true)
    return failed
  }

  beforeAll(async () => {
    fs.writeFileSync(at('/usr/local/sbin/dpkg-cut'), cutting, { mode: 0o755 })
    fs.writeFileSync(at('/etc/apt/apt.conf.d/99cut'), 'Dir::Bin::dpkg "/usr/local/sbin/dpkg-cut";\n')
    apt = openPackages(machine.root, machine.state)!
    machine.offer('fu', '1.0', { files: { '/usr/share/fu/both': '1\n', '/usr/share/fu/old': '1\n' } })
    machine.offer('fu', '2.0', {
      depends: 'fu-more',
      files: {
        '/usr/share/fu/both': '2\n',
        '/usr/share/fu/deep/new': '2\n',
      },
    })
    machine.offer('fu-more', '1.0', {
      files: {
        '/opt/fu/more': 'more\n',
        '/opt/fu/room/x': '',
        '/usr/share/fu/more': '',
        '/etc/fu/conf': '1\n',
      },
      conffiles: ['/etc/fu/conf'],
      scripts: { postinst: 'true' },
    })
    await go(change('fu', { version: '1.0' }))
    machine.sh('mkdir /opt/fu; echo mine >/opt/fu/own; echo mine >/opt/fu/x.dpkg-new')
  })
  afterAll(() => machine.close())

  test.each([
    ['unpacks', '2.0'],
    ['removes', null],
  ])('leaves nothing if it %s, whenever that was', { timeout: 1_800_000 }, async (_, version) => {
    const back = () => go(change('fu', { version: '1.0' }), change('fu-more', null))
    await back()
    const before = seen()
    expect(before).toContain('/usr/share/fu/both')
    const wanted = [change('fu', version === null ? null : { version })]
    let done = 0
    for (let call = 1; await cut(call, wanted); call += all ? 1 : 9) {
      await back()
      expect(seen(), `ended before call ${call}`).toBe(before)
      done++
    }
    expect(done).toBeGreaterThan(1)
  })
  test('leaves alone what somebody had where the package has something', async () => {
    const files = { '/srv/fv/mine': 'theirs\n', '/srv/fv/room/x': '', '/srv/fv/new': '' }
    machine.offer('fv', '1.0', { files })
    machine.sh('mkdir -p /srv/fv/room; echo mine >/srv/fv/mine')
    const wanted = [change('fv', {})]
    // All is unpacked, but dpkg has not written down what.
    expect(await cut(1, wanted, '/var/lib/dpkg/info/fv.list-new')).toBe(true)
    await go(change('fv', null))
    expect(machine.sh('cd /srv/fv; find . | sort; cat mine')).toBe('.\n./mine\n./room\nmine\n')
  })
})
