// Three hosts and files: a release reaches all, drift is repaired, a power cut and a restart lose nothing, and an empty
// declaration brings everything back.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from './command.ts'
import { LabFleet } from './fleet.ts'
import { onLab } from './suite.ts'
import { differences, type Walk, walk } from './walk.ts'

const steps = `
TREE files/app /etc/app exclusive
TEMPLATE files/motd.tmpl /etc/motd
LINE /etc/login.defs "UMASK 027" match="^UMASK\\b"
LINK /etc/app/current -> conf.d
ABSENT /etc/issue.net
MKDIR /srv/data mode=2775
`
const files = {
  'files/app/conf.d/a': 'a = 1\n',
  'files/app/conf.d/b': 'b = 2\n',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the template's own variable
  'files/motd.tmpl': 'This is ${host.name}.\n',
}

onLab('files on three hosts', () => {
  let fleet: LabFleet
  const before = new Map<string, Walk>()
  const content = (path: string) => Promise.all(fleet.hosts.map(host => host.sh(`cat ${path} 2>&1 || true`)))
  const repaired = (path: string, expected: readonly string[]) =>
    until(`${path} to be repaired`, async () =>
      JSON.stringify(await content(path)) === JSON.stringify(expected) ? true : undefined,
    )

  beforeAll(async () => {
    fleet = await LabFleet.begin('converge', 3)
    for (const host of fleet.hosts) before.set(host.name, await walk(host))
  })
  afterAll(() => fleet?.close())

  test('a release reaches all', async () => {
    await fleet.release('first', steps, files)
    await fleet.converged()
    expect(await content('/etc/motd')).toEqual(['This is h1.', 'This is h2.', 'This is h3.'])
    expect(await content('/etc/app/current/a')).toEqual(['a = 1', 'a = 1', 'a = 1'])
  })

  test('a hand edit is repaired, and kept', async () => {
    await Promise.all(fleet.hosts.map(host => host.sh('echo "a = 9" >/etc/app/conf.d/a; rm /etc/motd')))
    await repaired('/etc/app/conf.d/a', ['a = 1', 'a = 1', 'a = 1'])
    await repaired('/etc/motd', ['This is h1.', 'This is h2.', 'This is h3.'])
    const kept = await fleet.hosts[0]!.sh('fleet drift')
    expect(kept).toContain('/etc/app/conf.d/a')
  })

  test('a host that lost its power comes back, and repairs what was changed meanwhile', async () => {
    const host = fleet.host('h2')
    await host.kill()
    await fleet.release('second', steps, { 'files/app/conf.d/b': 'b = 3\n' })
    await fleet.converged([fleet.host('h1'), fleet.host('h3')])
    await host.start()
    await fleet.converged()
    expect(await content('/etc/app/conf.d/b')).toEqual(['b = 3', 'b = 3', 'b = 3'])
  })

  test('an agent that is restarted hears what happened while it was down', async () => {
    const host = fleet.host('h1')
    await host.sh('systemctl stop fleet; echo x >/etc/motd; systemctl start fleet')
    await repaired('/etc/motd', ['This is h1.', 'This is h2.', 'This is h3.'])
  })

  test('an empty declaration brings back what was there', async () => {
    await fleet.release('nothing', '# nothing\n')
    await fleet.converged()
    for (const host of fleet.hosts) {
      const after = await walk(host)
      expect(differences(before.get(host.name)!, after)).toEqual([])
    }
  })
})
