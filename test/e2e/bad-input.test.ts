// What bad input gets, from a real fleet: a test for each row of the table (DESIGN of the product, "What bad input gets").
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { forge } from '../../cli/demo-forger.ts'
import { encodeMessage } from '../../gossip/message.ts'
import { encodeEnvelope } from '../../signing/entry.ts'
import { readJoin } from '../../signing/join.ts'
import { Fleet, fingerprint, git, until } from './fleet.ts'
import { connect } from './stranger.ts'

let fleet: Fleet
const mounts: string[] = []
const does = (command: string, ...args: string[]) => spawnSync(command, args).status === 0
/** Root in a container may be unable to mount; then those rows are shown as skipped. */
const mounting = process.getuid?.() === 0 && does('unshare', '-m', 'true')
const names = ['h1', 'h2', 'h3']

beforeAll(async () => {
  fleet = await Fleet.begin(names)
  fleet.write(
    'site.steps',
    'TEMPLATE files/motd.tmpl /etc/motd\nMKDIR /srv/room\nMKDIR /srv/fixed\nCOPY files/a /srv/a\n',
  )
  await fleet.release('first', { 'files/a': 'a\n' })
  await fleet.converged(3, ...names)
})
afterAll(async () => {
  await Promise.all(names.map(name => fleet?.kill(name)))
  for (const each of mounts) execFileSync('umount', [each])
  await fleet?.close()
})

const steps = () => fleet.read('site.steps')
/** Resident memory of an agent, in MiB. */
function residentMiB(name: string): number {
  const status = readFileSync(`/proc/${fleet.stage.pid(name)}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024
}

test('ROW malformed steps, toml, roster, operators, trailers: all errors at their places, exit 2, nothing changed', async () => {
  const wrong = join(fleet.stage.folder, 'wrong')
  git(fleet.stage.folder, 'clone', '-q', fleet.stage.operator, wrong)
  const publish = async (files: Readonly<Record<string, string>>) => {
    for (const [path, content] of Object.entries(files)) writeFileSync(join(wrong, path), content)
    git(wrong, 'commit', '-qam', 'wrong')
    const ran = await fleet.run(['publish', '--json'], { cwd: wrong, exits: [2] })
    const { error } = JSON.parse(ran.stdout) as { error: { message: string } }
    expect(ran.stderr).toBe(`fleet: ${error.message}\n`)
    const [head, ...problems] = error.message.split('\n')
    expect(head).toBe(`${problems.length} problem${problems.length === 1 ? '' : 's'}; nothing was changed`)
    return problems.map(each => each.split(' ')[0])
  }
  const before = await fleet.log('h1')
  const { ['site.steps']: good, ...rest } = { 'site.steps': steps(), 'fleet.toml': fleet.read('fleet.toml') }
  const toml = 'name = "x"\nsek = 1\n[rollout]\nsoak = "1y"\n'
  expect(await publish({ 'fleet.toml': toml })).toEqual(['fleet.toml:2:1:', 'fleet.toml:4:1:'])
  const bad = 'COPPY files/a /etc/a\nLINK /etc/x ../y\nCOPY files/none /etc/none\n'
  const vars = '[default]\nx = [1]\n'
  expect(await publish({ ...rest, 'site.steps': bad, 'vars.toml': vars })).toEqual([
    'site.steps:1:1:',
    'site.steps:2:13:',
    'site.steps:3:6:',
    'vars.toml:2:1:',
  ])
  const trust = { 'trust/hosts': 'h9 ssh-rsa AAAA\n', 'trust/operators': '\nalice ssh-dss AAAA\n' }
  expect(await publish({ 'site.steps': good, 'vars.toml': '', ...trust })).toEqual([
    'trust/operators:2:7:',
    'trust/hosts:1:4:',
  ])
  expect(await fleet.log('h1')).toEqual(before)

  // Trailers come from peers: an entry with one too many is refused by name, and changes nothing.
  await fleet.stop('h3')
  const tag = git(join(fleet.host('h1').state, 'repo.git'), 'cat-file', 'tag', 'fleet/3')
  const odd = Buffer.from(tag.replace(/^Sequence: 3$/m, 'Sequence: 4\nSurprise: yes'))
  const thief = await connect(fleet.host('h1'), { stolen: fleet.host('h3') })
  await thief.send(encodeMessage({ t: 'entry', entry: encodeEnvelope({ tag: odd, cosigs: [] }) }))
  const [refused] = await until('the refusal', () => {
    const found = fleet.lines('h1', 'entry refused')
    return found.length > 0 ? found : undefined
  })
  expect(refused).toMatchObject({ code: 'MALFORMED', detail: expect.stringContaining('Surprise') })
  await thief.leave()
  await fleet.start('h3')
  expect(await fleet.log('h1')).toEqual(before)
})

test('ROW bytes from an unknown or hostile peer: bounded, ignored or closed, and the agent stays as it is', async () => {
  const host = fleet.host('h1')
  const before = residentMiB('h1')
  // A raw TCP client: noise, silence, and far too much.
  const sockets = Array.from({ length: 40 }, (_, i) => {
    const socket = createConnection(host.port, '127.0.0.1')
    socket.on('error', () => {})
    if (i % 4 === 1) socket.write(randomBytes(64 << 10))
    if (i % 4 === 2) socket.write('GET / HTTP/1.1\r\n\r\n')
    if (i % 4 === 3) socket.write(`${'\x13/multistream/1.0.0\n'}${'x'.repeat(1 << 20)}`)
    return socket
  })
  // The silent ones are told nothing; the others are cut off, which takes a while: meanwhile, more guests.
  const cut = sockets
    .filter((_, i) => i % 4 !== 0)
    .map(socket => new Promise(done => socket.on('close', done)))

  const joining = readJoin(fleet.join) as { fleet: string }
  const stranger = await connect(host, { fleet: joining.fleet, seed: randomBytes(32) })
  expect(stranger.up).toBe(false)
  await stranger.leave()
  expect((await fleet.status('h1'))!.peers).toBe(2)

  // A stolen key is let in, and heard in vain.
  await fleet.stop('h3')
  const thief = await connect(host, { stolen: fleet.host('h3') })
  expect(thief.up).toBe(true)
  const hostile = [
    randomBytes(1 << 20),
    Buffer.from([0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    Buffer.alloc(1 << 20, 0x81),
    encodeMessage({ t: 'entry', entry: randomBytes(60_000) }),
    encodeMessage({
      t: 'entries',
      entries: Array.from({ length: 200 }, () => randomBytes(5000)),
      whole: true,
    }),
    encodeMessage({
      t: 'statuses',
      statuses: Array.from({ length: 500 }, () => [randomBytes(64), randomBytes(64)]),
    }),
    encodeMessage({ t: 'want-pack', pack: randomBytes(32), offset: 2 ** 40, length: 65_536 }),
    encodeMessage({ t: 'part', pack: randomBytes(32), offset: 0, size: 2 ** 40, bytes: randomBytes(65_536) }),
  ]
  for (let i = 0; i < 40 && thief.connected(); i++) await thief.send(hostile[i % hostile.length]!)
  await until('the agent to name what it got', () =>
    fleet.lines('h1', 'malformed message').length > 0 && fleet.lines('h1', 'entry refused').length > 0
      ? true
      : undefined,
  )
  await thief.leave()
  const status = (await fleet.status('h1'))!
  expect(status).toMatchObject({ state: expect.stringMatching(/^(APPLIED|HEALTHY)$/), head: { sequence: 3 } })
  await Promise.all(cut)
  for (const socket of sockets) socket.destroy()
  expect(residentMiB('h1') - before).toBeLessThan(150)
  expect(readFileSync(join(fleet.stage.folder, 'h1', 'agent.log')).length).toBeLessThan(1 << 20)
  await fleet.start('h3')
})

test('ROW a release that must be refused: shown by fleet log and fleet peers; the host keeps enforcing', async () => {
  const prints = names.map(name => fleet.fingerprint(name))
  await fleet.stop('h3')
  await forge(fleet.host('h3'), [fleet.host('h1')])
  const refused = await until('the refusal', async () =>
    (await fleet.log('h1'))!.find(each => each.refusal !== null),
  )
  expect(refused).toMatchObject({ sequence: 4, mark: 'refused', refusal: { code: 'SIGNER_UNKNOWN' } })
  const log = await fleet.run(['log', '--state', fleet.host('h1').state])
  expect(log.stdout).toMatch(/^4 +release .* refused +owned$/m)
  expect(log.stdout).toMatch(/^refused 4: .* \(SIGNER_UNKNOWN\)$/m)
  await until('h2 to hear of it', async () =>
    (await fleet.peers('h2'))!.find(each => each.name === 'h1')?.refused?.code === 'SIGNER_UNKNOWN'
      ? true
      : undefined,
  )
  const peers = await fleet.run(['peers', '--state', fleet.host('h2').state])
  expect(peers.stdout).toMatch(/^h1 .*\n {2}refused 4: SIGNER_UNKNOWN$/m)
  expect((await fleet.status('h1'))!.release!.sequence).toBe(3)
  appendFileSync(fleet.at('h1', 'srv/a'), 'by hand\n')
  await until('the repair', () => (fleet.cat('h1', 'srv/a') === 'a\n' ? true : undefined))
  await fleet.start('h3')
  await fleet.converged(3, ...names)
  expect(names.map(name => fleet.fingerprint(name))).toEqual(prints)
})

/** Publishes steps that h1 cannot keep, and answers what it says; its files must be as before. */
async function waits(
  subject: string,
  more: string,
  files: Record<string, string | Uint8Array>,
): Promise<string> {
  const [before, base] = [fleet.fingerprint('h1'), steps()]
  const sequence = await fleet.release(subject, { ...files, 'site.steps': `${base}${more}` })
  const status = await until(`h1 to say why not ${sequence}`, async () => {
    const found = await fleet.status('h1')
    return found?.head?.sequence === sequence && found.why !== null ? found : undefined
  })
  expect(status.state).toBe('WAIT')
  expect(status.release!.sequence).toBeLessThan(sequence)
  expect(fleet.fingerprint('h1')).toBe(before)
  await fleet.converged(sequence, 'h2')
  fleet.write('site.steps', base)
  return status.why!
}

function mount(...args: string[]): void {
  execFileSync('mount', args)
  mounts.push(args.at(-1)!)
}

test.skipIf(!mounting)(
  'ROW disk full: WAIT with path and what is missing, the old state stands, and goes on when there is room',
  async () => {
    const room = fleet.at('h1', 'srv/room')
    mount('-t', 'tmpfs', '-o', 'size=64k,mode=755', 'tmpfs', room)
    const why = await waits('too large', 'COPY files/big /srv/room/big\n', {
      'files/big': randomBytes(200_000),
    })
    expect(why).toMatch(
      /COPY files\/big \/srv\/room\/big \(site\.steps:5\): DISK_FULL \/srv\/room\/big: found \d+ bytes free; expected \d+/,
    )
    execFileSync('mount', ['-o', 'remount,size=1m', room])
    await fleet.run(['apply', '--agent', '--state', fleet.host('h1').state])
    await fleet.converged((await fleet.status('h1'))!.head!.sequence, 'h1')
    expect(readdirSync(room)).toEqual(['big'])
  },
)

test.skipIf(!mounting)('ROW read-only target: WAIT with errno and path, the old state stands', async () => {
  const fixed = fleet.at('h1', 'srv/fixed')
  mount('--bind', fixed, fixed)
  execFileSync('mount', ['-o', 'remount,ro,bind', fixed])
  const why = await waits('read-only', 'COPY files/a /srv/fixed/a\n', {})
  expect(why).toMatch(/COPY files\/a \/srv\/fixed\/a \(site\.steps:5\): READ_ONLY \/srv\/fixed.*EROFS/)
})

test('ROW missing tool: WAIT or not kept with the name of the tool, the old state stands', async () => {
  const base = steps()
  const before = fleet.fingerprint('h2')
  const tool = 'COPY files/a /srv/checked validate="no-such-tool %s"\n'
  const sequence = await fleet.release('missing tool', { 'site.steps': `${base}${tool}` })
  const status = await until('h2 to say why not', async () => {
    const found = await fleet.status('h2')
    return found?.head?.sequence === sequence && found.why !== null ? found : undefined
  })
  expect(status.why).toMatch(
    /COPY files\/a \/srv\/checked \(site\.steps:5\): TOOL_MISSING: no-such-tool: found no such program/,
  )
  expect(status.release!.sequence).toBeLessThan(sequence)
  expect(fleet.fingerprint('h2')).toBe(before)
  expect(existsSync(fleet.at('h2', 'srv/checked'))).toBe(false)
  fleet.write('site.steps', base)
})

const withoutRights = ['--bounding-set=-dac_override,-dac_read_search,-fowner,-chown', '--inh-caps=-all']

test.skipIf(process.getuid?.() !== 0 || !does('setpriv', ...withoutRights, 'true'))(
  'ROW permission denied: not kept with errno and path, the old state stands',
  async () => {
    const target = join(fleet.stage.folder, 'locked')
    mkdirSync(join(target, 'etc'), { recursive: true })
    writeFileSync(join(target, 'etc/motd'), 'as it was\n')
    chmodSync(join(target, 'etc'), 0o555)
    chownSync(join(target, 'etc'), 65_534, 65_534)
    const before = fingerprint(join(target, 'etc'))
    // Root without root's rights to pass over modes.
    const bin = fileURLToPath(new URL('../../bin/fleet', import.meta.url))
    const command = [bin, 'apply', '--root', target, '--host', 'h1']
    const env = { ...process.env, HOME: join(fleet.stage.folder, 'home') }
    const child = spawn('setpriv', [...withoutRights, ...command], { cwd: fleet.stage.operator, env })
    let out = ''
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (out += chunk))
    const [code] = await once(child, 'close')
    expect(out).toMatch(/not kept: .*\/etc\/motd.*NO_PERMISSION.*EACCES/)
    expect(code).toBe(1)
    expect(fingerprint(join(target, 'etc'))).toBe(before)
  },
)

test('ROW a corrupted store or repository is quarantined, named in the log, rebuilt; the floor survives in a second place', async () => {
  // The damage itself, in all its kinds, is the subject of converge.test.ts; here: all of it at one time.
  await fleet.stop('h2')
  const { state } = fleet.host('h2')
  for (const folder of ['db', 'repo.git/objects/pack'])
    for (const name of readdirSync(join(state, folder)))
      writeFileSync(join(state, folder, name), randomBytes(64))
  writeFileSync(join(state, 'floor'), 'x')
  const since = fleet.lines('h2').length
  const newest = await fleet.release('after the damage', { 'files/a': 'b\n', 'site.steps': steps() })
  await fleet.start('h2')
  await fleet.converged(newest, 'h2', 'h3')
  const errors = fleet
    .lines('h2')
    .slice(since)
    .filter(each => each.level === 'error')
  expect(errors.map(each => each.event)).toEqual(
    expect.arrayContaining(['store rebuilt', 'repository rebuilt', 'floor damaged']),
  )
  expect(readdirSync(state).filter(name => name.includes('.damaged-')).length).toBeGreaterThan(0)
})

test('ROW a command that needs an agent, and none runs: says so and how to start it, exit 3', async () => {
  const { state } = await fleet.stage.host('nobody')
  const commands = [['peers'], ['status'], ['log'], ['why', '/etc/motd'], ['drift'], ['pause'], ['unpause']]
  for (const command of commands) {
    const ran = await fleet.run([...command, '--state', state], { exits: [3] })
    expect(ran.stderr).toBe(
      `fleet: no agent runs with the state folder ${state}\n  start it: fleet join STRING --state ${state}\n`,
    )
    expect(ran.stdout).toBe('')
  }
  await fleet.stop('h3')
  const joined = fleet.host('h3').state
  expect(await fleet.fails(3, 'status', '--state', joined)).toContain(`fleet agent --state ${joined}`)
})
