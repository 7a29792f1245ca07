// Operators at their laptops: nobody reachable, behind, nothing to say, going back, a second operator, a host withdrawn.
import { copyFileSync, existsSync, lstatSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, git, type Published, until } from './fleet.ts'

let fleet: Fleet
/** The first release, which the tests go back to. */
let first = 0
let before: string[] = []
const names = ['h1', 'h2', 'h3']

beforeAll(async () => {
  fleet = await Fleet.begin(names)
})
afterAll(() => fleet?.close())

test('a publication that reaches nobody is kept, and made when somebody is there', async () => {
  await Promise.all(names.map(name => fleet.stop(name)))
  fleet.write(
    'site.steps',
    'TEMPLATE files/motd.tmpl /etc/motd\nMKDIR /etc/app mode=0750\nCOPY files/app /etc/app/app mode=0640\nLINK /etc/app/now -> app\n',
  )
  fleet.write('files/app', 'one\n')
  fleet.commit('First')
  const said = await fleet.fails(1, 'publish', '-m', 'first', '--wait', '1')
  expect(said).toContain('no host was reached within 1 s; nothing was published, the wish is kept')
  expect(said).toContain('then: fleet publish')

  await Promise.all(names.map(name => fleet.start(name)))
  const ran = await fleet.run(['publish', '-m', 'first', '--now', '--peers', '3'])
  expect(ran.stderr).toMatch(/a publication was kept since .*; it is signed anew now/)
  expect(ran.stderr).toMatch(/held by 3 of 3 hosts wanted/)
  expect(ran.stdout).toBe(
    'published trust as entry 2 and release 3 for 3 hosts; 3 hosts hold it, and pass it on\nwatch it on any host: fleet peers\n',
  )
  first = 3
  await fleet.converged(first, ...names)
  before = names.map(name => fleet.fingerprint(name))
})

test('publishing what the fleet has already changes nothing', async () => {
  const ran = await fleet.run(['publish'])
  expect(ran.stdout).toMatch(/^nothing to publish: the fleet \([1-3] hosts? reached\) has this already\n$/)
  expect(await fleet.publish('again')).toMatchObject({ trust: null, release: null })
  expect((await fleet.status('h1'))!.head!.sequence).toBe(first)
})

test('what is not committed is not published', async () => {
  fleet.write('files/app', 'half done\n')
  expect(await fleet.fails(2, 'publish')).toContain('1 path not committed: files/app')
  fleet.git('checkout', '-q', 'files/app')
})

test('a rollback restores every byte, mode, link and missing file, and bars what it took back', async () => {
  fleet.write(
    'site.steps',
    'TEMPLATE files/motd.tmpl /etc/motd mode=0600\nMKDIR /etc/app mode=0755\nCOPY files/app /etc/app/app mode=0755\nCOPY files/app /etc/app/more\n',
  )
  const second = await fleet.release('second', { 'files/app': 'two\n' })
  await fleet.converged(second, ...names)
  expect(existsSync(fleet.at('h1', 'etc/app/now'))).toBe(false)
  expect(lstatSync(fleet.at('h1', 'etc/app/app')).mode & 0o777).toBe(0o755)

  const ran = await fleet.run(['rollback', String(first), '--now', '--peers', '3', '--json'])
  const back = (JSON.parse(ran.stdout) as Published).release!.sequence
  await fleet.converged(back, ...names)
  expect(names.map(name => fleet.fingerprint(name))).toEqual(before)

  const barred = await fleet.fails(2, 'publish', '-m', 'second again')
  expect(barred).toContain('this content is on the never list')
  expect(barred).toContain('fleet publish --allow')
  expect((await fleet.status('h1'))!.head!.sequence).toBe(back)
  const allowed = await fleet.publish('second, knowingly', 3, '--allow')
  await fleet.converged(allowed.release!.sequence, ...names)
  expect(fleet.cat('h2', 'etc/app/app')).toBe('two\n')
  expect(await fleet.fails(2, 'rollback', '99')).toContain("99 is no release that this laptop's log holds")
})

test('a second operator publishes; who is behind is refused, and told what to do', async () => {
  const { folder, operator } = fleet.stage
  const key = join(folder, 'bob.key')
  const made = await fleet.run(['key', 'new', '--out', key, '--json'], { cwd: folder })
  const [type, base64] = (JSON.parse(made.stdout) as { public: string }).public.split(' ')
  fleet.write('trust/operators', `${fleet.read('trust/operators')}bob ${type} ${base64}\n`)
  fleet.commit('Bob may sign')
  expect(await fleet.publish('bob', 3)).toMatchObject({ release: null })

  const bobs = join(folder, 'bobs')
  git(folder, 'clone', '-q', operator, bobs)
  const bob = (exit: number, ...args: string[]) =>
    fleet.run(['publish', '--now', '--key', key, ...args], { cwd: bobs, exits: [exit] })
  expect((await bob(1)).stderr).toContain('copy that file from the machine where the fleet began')
  mkdirSync(join(bobs, '.git/fleet'))
  copyFileSync(join(operator, '.git/fleet/genesis'), join(bobs, '.git/fleet/genesis'))
  writeFileSync(join(bobs, 'files/app'), 'by bob\n')
  git(bobs, 'commit', '-qam', 'by bob')
  const published = JSON.parse((await bob(0, '-m', 'by bob', '--json')).stdout) as Published
  const theirs = published.release!.sequence
  await fleet.converged(theirs, ...names)
  expect((await fleet.log('h1'))!.at(-1)).toMatchObject({
    sequence: theirs,
    signer: 'bob',
    subject: 'by bob',
  })

  fleet.write('files/motd.tmpl', 'by alice\n')
  fleet.commit('by alice')
  const behind = await fleet.fails(2, 'publish', '-m', 'by alice')
  expect(behind).toContain(`behind: release ${theirs} (by bob) by bob was made from commit`)
  expect(behind).toContain('git pull, then publish again')
  expect((await fleet.status('h1'))!.head!.sequence).toBe(theirs)
  fleet.git('pull', '-q', '--rebase', bobs, 'HEAD')
  const ours = await fleet.publish('by both')
  await fleet.converged(ours.release!.sequence, ...names)
  expect([fleet.cat('h3', 'etc/motd'), fleet.cat('h3', 'etc/app/app')]).toEqual(['by alice\n', 'by bob\n'])
})

test('a host that is withdrawn is disconnected, and gets nothing any more', async () => {
  const lines = fleet.read('trust/hosts').split('\n')
  fleet.write('trust/hosts', lines.filter(line => !line.startsWith('h3 ')).join('\n'))
  fleet.commit('Withdraw h3')
  const published = await fleet.publish('withdraw', 2)
  expect(published.trust).not.toBeNull()
  const h3 = (await fleet.status('h3'))!
  for (const name of ['h1', 'h2'])
    await until(`${name} to close its connection to h3`, async () => {
      const status = await fleet.status(name)
      return status?.trust?.hosts === 2 && status.peers === 1 ? true : undefined
    })
  const newest = await fleet.release('without h3', { 'files/app': 'not for h3\n' })
  await fleet.converged(newest, 'h1', 'h2')
  expect((await fleet.peers('h1'))!.map(each => each.name)).toEqual(['h1', 'h2'])
  await until('h3 to be alone', async () => ((await fleet.status('h3'))!.peers === 0 ? true : undefined))
  expect((await fleet.status('h3'))!.release).toEqual(h3.release)
  expect(fleet.cat('h3', 'etc/app/app')).toBe('by bob\n')
})
