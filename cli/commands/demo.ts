// `fleet demo`, which is `npm start`: five hosts on this machine, real input, the whole life of two releases, in a
// minute. Each step says the command that a user would type; all of them are run, none is acted.
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DriftView, LogView, PeerView, StatusView } from '../../node/control.ts'
import { CliError, type CommandSpec, type Io } from '../command.ts'
import { forge } from '../demo-forger.ts'
import { type DemoTree, demoInput } from '../demo-input.ts'
import { countFiles, type DemoHost, fingerprint, fleetBin, Stage, until } from '../demo-stage.ts'
import { duration, paint } from '../render.ts'

export const spec: CommandSpec = {
  about:
    'Starts five agents as processes of their own on loopback, each with its own key, state and root directory in a temporary folder; publishes, drifts, repairs, rolls back, lets a late host catch up, and shows a forged release refused.',
  options: [
    ['--keep', 'leave the fleet up at the end, and say how to talk to it'],
    [
      '--real',
      'take the configuration of three Debian packages (apt-get download) instead of copies from /etc',
    ],
  ],
  examples: ['fleet demo', 'fleet demo --keep'],
  async run(_args, options, io) {
    const stage = new Stage()
    let keep = false
    const interrupted = io.stopped().then(() => {
      throw new CliError('interrupted')
    })
    try {
      await Promise.race([story(stage, options['real'] === true, io), interrupted])
      keep = options['keep'] === true
      if (!keep) return { text: () => '' }
      await stay(stage, io, interrupted)
      return { text: () => '' }
    } finally {
      await stage.close(true)
    }
  },
}

class Narrator {
  readonly #io: Io
  readonly #started = performance.now()

  constructor(io: Io) {
    this.#io = io
  }

  say(line: string): void {
    process.stdout.write(`${line}\n`)
  }

  /** A step: what is done, and the command that does it. */
  step(title: string, command?: string): void {
    const clock = `${((performance.now() - this.#started) / 1000).toFixed(1).padStart(5)} s`
    this.say('')
    this.say(`${paint(clock, 'dim', this.#io.colour)}  ${paint(title, 'bold', this.#io.colour)}`)
    if (command !== undefined) this.say(`         ${paint(`$ ${command}`, 'blue', this.#io.colour)}`)
  }

  detail(text: string): void {
    for (const line of text.trimEnd().split('\n')) this.say(`         ${line}`)
  }
}

async function story(stage: Stage, real: boolean, io: Io): Promise<void> {
  const tell = new Narrator(io)
  tell.say('fleet demo: five hosts on this machine, loopback only, nothing outside of')
  tell.say(`${stage.folder} is touched.`)

  tell.step("an operator's repository", 'fleet init operator')
  await stage.fleet(['init', stage.operator], { cwd: stage.folder })
  const trees = demoInput(join(stage.operator, 'files'), real)
  writeSteps(stage, trees)
  tell.detail(
    `${countFiles(join(stage.operator, 'files'))} real files: ${trees.map(each => each.target).join(' ')}`,
  )
  const joinString = (await stage.fleet(['key', 'join'])).stdout.trim()

  const hosts: DemoHost[] = []
  for (const name of ['h1', 'h2', 'h3', 'h4', 'h5']) hosts.push(await stage.host(name))
  tell.step(
    'five hosts join and are enrolled',
    'fleet join fleet1.…   # on each host; then: fleet enroll LINE',
  )
  for (const host of hosts) await enroll(stage, host, joinString)
  await commit(stage, 'First state of the demo')
  for (const host of hosts) stage.start(host)
  await Promise.all(hosts.map(host => listening(stage, host)))
  tell.detail('five agents listen')

  tell.step('a first release, signed on the laptop', 'fleet publish --now')
  const first = await publish(stage, tell, hosts, ['publish', '-m', 'first state'])
  tell.step('who has what?', 'fleet peers')
  const asked = hosts[0]!
  tell.detail((await stage.fleet(['peers', '--state', asked.state])).stdout)
  const firstPrints = hosts.map(host => fingerprint(host.root))
  if (new Set(firstPrints).size !== 1) throw new CliError('the hosts differ after the first release')

  await handEdit(stage, tell, hosts[2]!)

  tell.step('a second release changes a file and drops one', 'fleet publish --now')
  change(stage, trees[0]!)
  await commit(stage, 'Second state of the demo')
  await publish(stage, tell, hosts, ['publish', '-m', 'second state'])
  if (fingerprint(asked.root) === firstPrints[0]) throw new CliError('the second release changed nothing')

  tell.step('back to the first release', `fleet rollback --now ${first}`)
  await publish(stage, tell, hosts, ['rollback', String(first)])
  const same = hosts.every((host, i) => fingerprint(host.root) === firstPrints[i])
  if (!same) throw new CliError('the rollback did not restore the first state')
  tell.detail('every path, mode, owner and byte of all five is as it was after the first release')

  tell.step('a sixth host comes late', 'fleet join … ; fleet enroll … ; fleet publish --trust ; fleet agent')
  const late = await stage.host('h6')
  await enroll(stage, late, joinString)
  await commit(stage, 'Enroll h6')
  await stage.fleet(['publish', '--trust', '-m', 'h6 joins', '--peers', '3'])
  const began = performance.now()
  stage.start(late)
  await until('h6 to converge', async () => {
    const status = await ask<StatusView>(stage, late, 'status')
    return status !== undefined && ['APPLIED', 'HEALTHY', 'NOOP'].includes(status.state) ? true : undefined
  })
  if (fingerprint(late.root) !== firstPrints[0]) throw new CliError('h6 differs from the other hosts')
  tell.detail(`h6 caught up ${duration(performance.now() - began)} after its process began`)
  hosts.push(late)

  tell.step('a forged release: signed by a stranger, sent under the stolen key of h5')
  await forgery(stage, tell, hosts)

  tell.step('what h1 remembers', 'fleet log')
  tell.detail((await stage.fleet(['log', '--state', asked.state])).stdout)
  tell.say('')
  tell.say('Done. To begin a fleet of your own: fleet init my-fleet')
}

async function stay(stage: Stage, io: Io, interrupted: Promise<never>): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  say('')
  say('The fleet stays up until Ctrl-C. Talk to it from another terminal:')
  const state = (host: string) => join(stage.folder, host, 'state')
  say(`  ${fleetBin} peers --state ${state('h1')}`)
  say(`  ${fleetBin} status --state ${state('h3')}`)
  say(`  echo oops >> ${join(stage.folder, 'h3', 'root/etc/motd')}   # and look again: it is gone`)
  say(`  ${fleetBin} drift --state ${state('h3')}`)
  say(`  cd ${stage.operator} && HOME=${join(stage.folder, 'home')} ${fleetBin} publish -m 'my change'`)
  await interrupted.catch(() => io.progress('stopping'))
}

function writeSteps(stage: Stage, trees: readonly DemoTree[]): void {
  const parents = [...new Set(trees.flatMap(each => parentsOf(each.target)))].filter(
    each => !['/etc', '/srv'].includes(each),
  )
  const lines = [
    '# The demo: real configuration, a rendered file, a directory that holds only what is declared.',
    ...parents.map(each => `MKDIR ${each}`),
    ...trees.map(each => `TREE ${each.source} ${each.target}`),
    'TEMPLATE files/motd.tmpl /etc/motd',
    'MKDIR /etc/fleet-demo mode=0750 exclusive',
    'COPY files/hello.conf /etc/fleet-demo/hello.conf mode=0640',
    'LINK /etc/fleet-demo/current -> hello.conf',
  ]
  mkdirSync(join(stage.operator, 'files'), { recursive: true })
  writeFileSync(join(stage.operator, 'files', 'hello.conf'), 'greeting = hello\n')
  const contact = '$' + '{var.contact}'
  writeFileSync(
    join(stage.operator, 'files', 'motd.tmpl'),
    `This machine is kept by fleet. Edit with care: ${contact}\n`,
  )
  writeFileSync(join(stage.operator, 'vars.toml'), '[default]\ncontact = "ops@example.org"\n')
  writeFileSync(join(stage.operator, 'site.steps'), `${lines.join('\n')}\n`)
}

function parentsOf(target: string): string[] {
  const parts = target.split('/').slice(1, -1)
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)
}

/** One more line in the first file found, and hello.conf goes. */
function change(stage: Stage, tree: DemoTree): void {
  const folder = join(stage.operator, tree.source)
  const file = readdirSync(folder, { withFileTypes: true, recursive: true }).find(each => each.isFile())
  if (file === undefined) throw new CliError(`no file in ${folder}`)
  appendFileSync(join(file.parentPath, file.name), '\n# second release\n')
  const steps = join(stage.operator, 'site.steps')
  const kept = readFileSync(steps, 'utf8')
    .split('\n')
    .filter(line => !line.includes('current -> hello.conf'))
  writeFileSync(steps, kept.join('\n'))
}

async function enroll(stage: Stage, host: DemoHost, joinString: string): Promise<void> {
  const listen = `127.0.0.1:${host.port}`
  const args = [
    'join',
    joinString,
    '--state',
    host.state,
    '--root',
    host.root,
    '--listen',
    listen,
    '--name',
    host.name,
  ]
  const answer = await stage.fleet([...args, '--no-mdns', '--json'], { cwd: stage.folder })
  const { line } = JSON.parse(answer.stdout) as { line: string }
  await stage.fleet(['enroll', line, `addr=${listen}`])
}

async function commit(stage: Stage, message: string): Promise<void> {
  const { default: git } = await import('isomorphic-git')
  const fs = await import('node:fs')
  const repo = { fs, dir: stage.operator }
  for (const [path, , worktree] of await git.statusMatrix(repo)) {
    if (worktree === 0) await git.remove({ ...repo, filepath: path })
    else await git.add({ ...repo, filepath: path })
  }
  await git.commit({ ...repo, message, author: { name: 'operator', email: 'operator@example.org' } })
}

async function ask<T>(stage: Stage, host: DemoHost, command: string): Promise<T | undefined> {
  const ran = await stage.fleet([command, '--state', host.state, '--json'], { exits: [0, 3] })
  return ran.exit === 0 ? (JSON.parse(ran.stdout) as T) : undefined
}

async function listening(stage: Stage, host: DemoHost): Promise<StatusView> {
  return until(`${host.name} to listen`, () => ask<StatusView>(stage, host, 'status'))
}

/** Publishes, and shows how the hosts take it. Answers the release's sequence. */
async function publish(
  stage: Stage,
  tell: Narrator,
  hosts: readonly DemoHost[],
  args: readonly string[],
): Promise<number> {
  const ran = await stage.fleet([...args, '--now', '--peers', String(hosts.length), '--json'])
  const { release } = JSON.parse(ran.stdout) as { release: { sequence: number } }
  const began = performance.now()
  let shown = ''
  await until(`release ${release.sequence} on all hosts`, async () => {
    const { hosts: peers = [] } =
      (await ask<{ readonly hosts: readonly PeerView[] }>(stage, hosts[0]!, 'peers')) ?? {}
    const line = peers
      .map(each => `${each.name} ${each.release === release.sequence ? each.state.toLowerCase() : '…'}`)
      .join('  ')
    if (line !== shown) tell.detail(`${duration(performance.now() - began).padStart(7)}  ${line}`)
    shown = line
    const done = peers.filter(
      each => each.release === release.sequence && ['APPLIED', 'HEALTHY', 'NOOP'].includes(each.state),
    )
    return done.length >= hosts.length ? true : undefined
  })
  return release.sequence
}

async function handEdit(stage: Stage, tell: Narrator, host: DemoHost): Promise<void> {
  const path = join(host.root, 'etc/motd')
  tell.step('the 2 a.m. fix: somebody edits a managed file on h3', `echo 'fixed by hand' >> ${path}`)
  const before = readFileSync(path, 'utf8')
  appendFileSync(path, 'fixed by hand\n')
  const began = performance.now()
  while (readFileSync(path, 'utf8') !== before) {
    if (performance.now() - began > 10_000) throw new CliError('the edit was not repaired within 10 s')
    await new Promise(resolve => setImmediate(resolve))
  }
  tell.detail(`restored after ${(performance.now() - began).toFixed(1)} ms; the edit is not lost:`)
  const kept = await until('the edit to be kept', async () => {
    const list = await ask<readonly DriftView[]>(stage, host, 'drift')
    return list?.find(each => each.path === '/etc/motd' && each.size !== null)?.id
  })
  if (kept) {
    tell.detail(`$ fleet drift --state ${host.state}`)
    tell.detail((await stage.fleet(['drift', '--state', host.state])).stdout)
    tell.detail(`$ fleet drift show ${kept} --state ${host.state}`)
    tell.detail((await stage.fleet(['drift', 'show', kept, '--state', host.state])).stdout)
  }
}

async function forgery(stage: Stage, tell: Narrator, hosts: readonly DemoHost[]): Promise<void> {
  const thief = hosts[4]!
  await stage.stop(thief.name)
  const before = hosts.map(host => fingerprint(host.root))
  await forge(thief, hosts.slice(0, 3))
  const refused = await until('the forgery to be refused', async () => {
    const log = await ask<readonly LogView[]>(stage, hosts[0]!, 'log')
    return log?.find(each => each.refusal !== null)
  })
  tell.detail(`h1 refused it: ${refused.refusal?.code}: ${refused.refusal?.detail}`)
  if (hosts.some((host, i) => fingerprint(host.root) !== before[i]))
    throw new CliError('the forged release changed a host')
  tell.detail('no host changed a byte')
  stage.start(thief)
  await listening(stage, thief)
}
