// What a person reads of a running agent, word for word: each command as text and as one line of JSON, in 80 columns,
// without colours where none are wanted. What differs from run to run is replaced by its name.
import { execFileSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { DriftView, StatusView } from '../../node/control.ts'
import { Fleet, until } from './fleet.ts'

let fleet: Fleet
const bin = fileURLToPath(new URL('../../bin/fleet', import.meta.url))

/** What stands in for an editor: a script that is given the file. */
const editor = join(mkdtempSync(join(tmpdir(), 'fleet-editor-')), 'editor')

beforeAll(async () => {
  process.env['VISUAL'] = `sh ${editor}`
  fleet = await Fleet.begin(['db1', 'web1'])
  fleet.write(
    'site.steps',
    'COPY files/motd /etc/motd validate="grep -q hello %s"\nMKDIR /etc/app mode=0750 exclusive\n#@ app.ts:7:1\nCOPY files/app.conf /etc/app/app.conf mode=0640\nLINK /etc/app/now -> app.conf\nTEMPLATE files/motd.tmpl /etc/issue\n',
  )
  fleet.write('fleet.toml', fleet.read('fleet.toml').replace(/^# soak = \S+/m, 'soak = "1s"'))
  await fleet.release('first', { 'files/motd': 'hello\n', 'files/app.conf': 'port = 80\n' })
  await fleet.converged(3, 'db1', 'web1')
  await until('db1 to hear of web1', async () => {
    const web1 = (await fleet.peers('db1'))?.find(each => each.name === 'web1')
    return web1?.release === 3 && ['APPLIED', 'HEALTHY'].includes(web1.state) ? true : undefined
  })
})
afterAll(async () => {
  rmSync(dirname(editor), { recursive: true })
  await fleet?.close()
})

const patterns: readonly (readonly [RegExp, string])[] = [
  [/12D3KooW[A-Za-z0-9]{44}/g, '[PEER]'],
  [/\b[0-9a-f]{10}\b/g, '[SHORT]'],
  [/\b[0-9]+ (ms|s|min)\b/g, '[AGO]'],
  [/\b20[0-9-]{8} [0-9:]{5}\b/g, '[TIME]'],
  [/127\.0\.0\.1:[0-9]+/g, '[ADDRESS]'],
  [/(?<= ago by )\S+$/gm, '[SIGNER]'],
  // A host is healthy once it has soaked.
  [/\b(APPLIED|HEALTHY)\b/g, '[WELL]'],
]
const normal = (text: string) => patterns.reduce((now, [pattern, name]) => now.replace(pattern, name), text)
/** Tables are made of what is measured, so blanks are counted no further than to two. */
const loose = (text: string) => normal(text).replace(/ {2,}/g, '  ')

/** As the first key is named: account and machine. */
const signer = '[SIGNER]'

/** What a command about db1 prints, which must fit the terminal and have no colours. */
async function says(exit: number, ...args: string[]): Promise<string> {
  const ran = await fleet.run([...args, '--state', fleet.host('db1').state], { exits: [exit] })
  const [shown, silent] =
    exit === 0 || ran.stderr === '' ? [ran.stdout, ran.stderr] : [ran.stderr, ran.stdout]
  expect(silent).toBe('')
  expect(shown).not.toContain('\u001b')
  return shown
}
async function json<T>(exit: number, ...args: string[]): Promise<T> {
  const ran = await fleet.run([...args, '--json', '--state', fleet.host('db1').state], { exits: [exit] })
  expect(ran.stdout).toMatch(/^[^\n]*\n$/)
  return JSON.parse(ran.stdout) as T
}
const fits = (text: string) => {
  for (const line of text.trimEnd().split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
}

test('fleet status', async () => {
  expect(normal(await says(0, 'status'))).toBe(`host      db1  [PEER]
fleet     [SHORT]  agent 0.1.0, up [AGO]
release   3  first  ([SHORT])
state     [WELL]
steps     6 declared: 0 kept, 6 repaired, 0 not kept
drift     0 repairs, 0 kept edits, 0 contested
log       head 3 ([SHORT])
trust     entry 2: 2 hosts, 1 operator
peers     1 connected, listening on [ADDRESS]
`)
  expect(await json<StatusView>(0, 'status')).toMatchObject({
    ...{
      host: { name: 'db1' },
      release: { sequence: 3, subject: 'first' },
      paused: null,
      notKept: [],
      peers: 1,
    },
  })
})

/** The same for a state that may be any on the way to healthy, and the counts that follow from it. */
const onTheWay = (text: string) =>
  loose(text)
    .replace(/^(GO|DONE) .*$/m, '[VERDICT]')
    .replace(/^2 hosts: .*$/m, '[COUNTS]')
    .replace(
      '-  now  0.1.0\nweb1  3  [WELL]  0/6/0  -  now',
      '-  now  0.1.0\nweb1  3  [WELL]  0/6/0  -  [AGO]',
    )

test('fleet peers', async () => {
  const shown = await says(0, 'peers', '--sort', 'name')
  fits(shown)
  expect(onTheWay(shown)).toBe(`release 3  first
epoch 1 of 1, commit [SHORT], [AGO] ago by ${signer}
[VERDICT]
[COUNTS]

HOST  RELEASE  PHASE  KEPT/REPAIRED/NOT  DRIFT  HEARD  AGENT
db1 (you)  3  [WELL]  0/6/0  -  now  0.1.0
web1  3  [WELL]  0/6/0  -  [AGO]  0.1.0
`)
  const found = await json<{ hosts: object[]; counts: Record<string, number> }>(
    0,
    ...['peers', '--sort', 'name'],
  )
  expect(found).toMatchObject({
    release: { sequence: 3, subject: 'first', stages: [{ hosts: 2 }], decision: { kind: 'go' } },
    epoch: { open: 1, of: 1 },
    hosts: [
      { name: 'db1', you: true, release: 3, refused: null, silent: false },
      { name: 'web1', you: false, connected: true, release: 3, repaired: 6, notKept: 0, agent: '0.1.0' },
    ],
  })
  expect(await says(0, 'peers', '--state', 'failed', 'silent')).toContain(
    'shown: 0 of 2 hosts (failed or silent)\n\nno host fits\n',
  )
  expect(await says(2, 'peers', '--state', 'faild')).toMatch(
    /^fleet: --state: found 'faild', expected one of failed not-kept .*, or the agent's state folder as a path with a \/\n$/,
  )
  expect(await says(2, 'peers', '--sort', 'size')).toContain('expected one of attention name')
})

test('fleet peers --wait converged', async () => {
  const ran = await fleet.run(['peers', '--wait', 'converged', '--state', fleet.host('db1').state])
  expect(ran.stdout).toBe('converged: release 3 is on 2 hosts, all healthy\n')
  const late = ['--release', '99', '--timeout', '1s', '--json']
  expect(await json(1, 'peers', '--wait', 'converged', ...late)).toEqual({
    ...{ outcome: 'timeout', reason: 'after 1 s release 99 has not been heard of', release: 99 },
    ...{ waiting: ['db1', 'web1'], left: [] },
  })
})

test('fleet rollout', async () => {
  const shown = await says(0, 'rollout')
  fits(shown)
  expect(loose(shown)).toBe(`release 3  first
epoch 1 of 1, commit [SHORT], [AGO] ago by ${signer}

STAGE  HOSTS  OPENED
1  2  [AGO] ago  ${shown.match(/█+/)?.[0]}  2 healthy

DONE  all 2 hosts have it

for  2 hosts: db1, web1
`)
  expect(await json(0, 'rollout')).toMatchObject({
    sequence: 3,
    evidence: [{ name: 'db1' }, { name: 'web1' }],
  })
})

test('fleet peers and fleet rollout from a laptop without an agent', async () => {
  const ran = await fleet.run(['peers', '--sort', 'name', '--json'])
  expect(JSON.parse(ran.stdout)).toMatchObject({
    release: { sequence: 3 },
    counts: { converged: 2, silent: 0 },
    hosts: [
      { name: 'db1', you: false, state: 'HEALTHY', silent: false },
      { name: 'web1', you: false, state: 'HEALTHY', silent: false },
    ],
  })
  const story = await fleet.run(['rollout'])
  expect(story.stderr).toBe('no agent runs here: asking the fleet itself (2 hosts on the roster)\n')
  expect(story.stdout).toContain('DONE  all 2 hosts have it')
  // It leaves nothing in the repository, and its folder goes with it.
  expect(fleet.git('status', '--short')).toBe('')
  const lost = await fleet.run(['peers'], { cwd: fleet.stage.folder, exits: [3] })
  expect(lost.stderr).toContain("or, on an operator's machine: go to the repository of your fleet")
})

test('fleet log', async () => {
  const shown = await says(0, 'log')
  fits(shown)
  expect(shown.split('\n').map(line => line.split(/ +/).slice(0, 2).join(' '))).toEqual([
    ...['SEQ KIND', '1 trust', '2 trust', '3 release', ''],
  ])
  expect(shown).toMatch(/^3 .* head, in force +first$/m)
  expect(await json(0, 'log')).toMatchObject([
    { sequence: 1, kind: 'trust', refusal: null },
    { sequence: 2, kind: 'trust', subject: 'trust: 2 hosts', mark: '' },
    { sequence: 3, kind: 'release', subject: 'first', mark: 'head, in force' },
  ])
})

test('fleet why', async () => {
  expect(normal(await says(0, 'why', '/etc/app/app.conf'))).toBe(`COPY files/app.conf /etc/app/app.conf
  written in  site.steps:4 (from app.ts:7:1)
  by release  3 first
  since       [TIME] UTC
`)
  expect(await json(0, 'why', '/etc/app/app.conf')).toMatchObject({
    origin: 'site.steps:4',
    made: 'app.ts:7:1',
  })
  expect(await says(1, 'why', '/etc/passwd')).toBe(
    '/etc/passwd is not managed: no step of the release in force is about it\n',
  )
  expect(await json(1, 'why', '/etc/passwd')).toBe(null)
  expect(await says(1, 'pause', '/etc/mtd')).toContain(
    'fleet: /etc/mtd is not managed; the nearest that are: /etc/motd',
  )
  expect(await says(2, 'why', 'etc')).toBe("fleet: found 'etc', expected an absolute path\n")
})

test('fleet drift: what was edited by hand is shown, and adopted', async () => {
  expect(await says(0, 'drift')).toBe('nothing drifted here, or all of it was adopted or dropped\n')
  expect(await json(0, 'drift')).toEqual([])
  // One after another: the list is in the order of events.
  const drifts: readonly (readonly [() => void, string, string])[] = [
    [() => appendFileSync(fleet.at('db1', 'etc/motd'), 'by hand\n'), '/etc/motd', 'content'],
    [() => rmSync(fleet.at('db1', 'etc/app/now')), '/etc/app/now', 'missing'],
    [() => chmodSync(fleet.at('db1', 'etc/app/app.conf'), 0o777), '/etc/app/app.conf', 'attributes'],
    [() => writeFileSync(fleet.at('db1', 'etc/app/extra'), 'extra\n'), '/etc/app/extra', 'foreign'],
    [() => appendFileSync(fleet.at('db1', 'etc/issue'), 'x\n'), '/etc/issue', 'content'],
  ]
  for (const [edit, path, what] of drifts) {
    edit()
    await until(`${path} to be in the drift store`, async () =>
      (await fleet.ask<readonly DriftView[]>('db1', { ask: 'drift' }))?.some(
        each => each.path === path && each.what === what,
      )
        ? true
        : undefined,
    )
  }
  await until('the edits to be quiet, and stored', async () => {
    const kept = await fleet.ask<readonly DriftView[]>('db1', { ask: 'drift' })
    return kept?.filter(each => each.size !== null).length === 3 ? true : undefined
  })
  const list = await json<readonly DriftView[]>(0, 'drift')
  expect(list.map(({ path, what }) => [path, what])).toEqual(drifts.map(([, path, what]) => [path, what]))
  let shown = await says(0, 'drift')
  fits(shown)
  for (const { id } of list) shown = shown.replace(id, '[EDIT]')
  expect(loose(shown)).toBe(`ID  AGO  PATH  DRIFT  KEPT
[EDIT]  [AGO]  /etc/motd  content  14 B
[EDIT]  [AGO]  /etc/app/now  missing  -
[EDIT]  [AGO]  /etc/app/app.conf  attributes  -
[EDIT]  [AGO]  /etc/app/extra  foreign  6 B
[EDIT]  [AGO]  /etc/issue  content  ${list[4]!.size} B
keep one: fleet drift adopt ID  look: fleet drift show ID
`)
  const [motd, link, mode, extra, issue] = list.map(each => each.id) as [
    string,
    string,
    string,
    string,
    string,
  ]
  expect(await says(0, 'drift', 'show', motd)).toBe(
    '--- /etc/motd\n+++ /etc/motd\n@@ -1,1 +1,2 @@\n hello\n+by hand\n',
  )
  expect(await says(0, 'drift', 'show', extra)).toBe(
    '--- /dev/null\n+++ /etc/app/extra\n@@ -0,0 +1,1 @@\n+extra\n',
  )
  expect(await says(0, 'drift', 'show', link)).toBe('/etc/app/now: missing; no content was changed\n')
  expect(await says(0, 'drift', 'show', mode)).toBe('/etc/app/app.conf: attributes; no content was changed\n')
  expect(await says(1, 'drift', 'show', 'nope')).toBe('fleet: there is no kept edit nope\n')
  expect(await json(0, 'drift', 'show', motd)).toMatchObject({ path: '/etc/motd', source: 'files/motd' })

  expect(await says(1, 'drift', 'adopt', link)).toContain('to keep it away: ABSENT /etc/app/now')
  expect(await says(0, 'drift', 'adopt', extra)).toBe(
    "site.steps now declares: COPY files/etc/app/extra /etc/app/extra\nnext: git diff; git commit -am '…'; fleet publish\n",
  )
  expect(fleet.read('files/etc/app/extra')).toBe('extra\n')
  expect(fleet.read('site.steps')).toContain('exclusive\nCOPY files/etc/app/extra /etc/app/extra\n#@')
  fleet.git('checkout', '-q', '.')
  fleet.git('clean', '-qfd', 'files')
  expect(await says(1, 'drift', 'adopt', mode)).toBe(
    `fleet: /etc/app/app.conf: its line is generated from app.ts:7:1\n  look at it with: fleet drift show ${mode}; then change its step by hand: site.steps:4\n`,
  )
  expect(await says(0, 'drift', 'adopt', issue)).toBe(
    "files/motd.tmpl now has the edit of /etc/issue\nnext: git diff; git commit -am '…'; fleet publish\n",
  )
  expect(fleet.git('diff', '--stat')).toContain('1 file changed, 1 insertion')
  expect(await says(0, 'drift', 'adopt', motd)).toBe(
    "files/motd now has the edit of /etc/motd\nnext: git diff; git commit -am '…'; fleet publish\n",
  )
  expect(fleet.read('files/motd')).toBe('hello\nby hand\n')
  expect(await says(0, 'drift', 'drop', motd)).toBe(`kept edit ${motd} is forgotten\n`)
  expect((await json<readonly DriftView[]>(0, 'drift')).map(each => each.id)).not.toContain(motd)
})

test('fleet edit: nothing, a commit, what no repository takes, what a validator refuses', async () => {
  const motd = fleet.at('db1', 'etc/motd')
  const edit = async (exit: number, script: string, where: object, ...more: string[]) => {
    writeFileSync(editor, script)
    const ran = await fleet.run(['edit', '/etc/motd', ...more, '--state', fleet.host('db1').state], {
      exits: [exit],
      ...where,
    })
    expect((await fleet.status('db1'))!.pausedPaths.map(each => each.path)).toEqual(
      more.length ? ['/etc/motd'] : [],
    )
    return ran.stdout + ran.stderr
  }
  const elsewhere = { cwd: fleet.stage.folder }
  fleet.git('checkout', '-q', '.')
  const was = fleet.cat('db1', 'etc/motd')
  expect(await edit(0, 'true', {})).toBe('/etc/motd: nothing was changed\n')
  expect(await edit(1, 'echo x >>"$1"; exit 3', elsewhere)).toContain('ended with 3')
  expect(fleet.cat('db1', 'etc/motd')).toBe(was)
  const refused = await edit(1, 'echo bad >"$1"', elsewhere)
  expect(refused).toContain('validate="grep -q hello %s" ended with 1; nothing is adopted')
  expect(fleet.cat('db1', 'etc/motd')).toBe(was)
  expect(normal(await edit(0, `echo two >>"$1"`, {}))).toMatch(
    /\+two\nfiles\/motd now has the edit of \/etc\/motd, committed as [0-9a-f[\]A-Z]+\nnext: git show; fleet publish\n$/,
  )
  expect(fleet.git('log', '-1', '--format=%s')).toBe('Adopt the edit of /etc/motd\n')
  expect(fleet.read('files/motd')).toBe(`${was}two\n`)
  expect(await edit(0, `echo three >>"$1"`, elsewhere)).toMatch(/put back, and kept as [0-9a-z]+;/)
  expect(fleet.cat('db1', 'etc/motd')).toBe(was)
  expect(await edit(0, `echo four >>"$1"`, elsewhere, '--hold', '1h')).toContain('in force for 1h')
  expect(readFileSync(motd, 'utf8')).toBe(`${was}four\n`)
  await says(0, 'unpause', '/etc/motd')
  expect(fleet.cat('db1', 'etc/motd')).toBe(was)
  fleet.git('reset', '-q', '--hard', 'HEAD~1')
})

test('fleet pause and unpause: one path, then the whole host, also over a restart', async () => {
  expect(normal(await says(0, 'pause', '/etc/motd', '--for', '30m', '--reason', 'trying'))).toBe(
    'paused /etc/motd until [TIME] UTC; sooner: fleet unpause /etc/motd\n',
  )
  expect(await says(0, 'status')).toMatch(/^paused +\/etc\/motd for 30 min: trying$/m)
  expect(await json(0, 'pause', '--for', '2h', '--reason', 'disk swap')).toMatchObject({
    path: null,
    reason: 'disk swap',
  })
  expect(await says(0, 'status')).toMatch(/^paused +for 2 h: disk swap {2}\(fleet unpause\)$/m)
  expect(await says(2, 'pause', '--for', 'x')).toBe(
    "fleet: --for: found 'x', expected a time such as 30m, 2h or 1d, at most 30d\n",
  )
  await fleet.stop('db1')
  await fleet.start('db1')
  expect((await fleet.status('db1'))!.paused).toMatchObject({ reason: 'disk swap' })
  await until('web1 to hear of it', async () =>
    (await fleet.peers('web1'))?.find(each => each.name === 'db1')?.flags.includes('PAUSED')
      ? true
      : undefined,
  )
  // Neither a release nor a repair happens, and both follow.
  appendFileSync(fleet.at('db1', 'etc/issue'), 'while paused\n')
  const next = await fleet.release('second', { 'files/app.conf': 'port = 81\n' })
  await fleet.converged(next, 'web1')
  await until('db1 to hold the entry', async () =>
    (await fleet.status('db1'))?.head?.sequence === next ? true : undefined,
  )
  expect(await says(0, 'apply', '--agent')).toContain('0 repaired')
  expect([fleet.cat('db1', 'etc/app/app.conf'), fleet.cat('db1', 'etc/issue')]).toEqual([
    'port = 80\n',
    expect.stringMatching(/while paused\n$/),
  ])
  expect(await says(0, 'unpause')).toBe('this host is kept again\n')
  expect(await json(0, 'unpause', '/etc/motd')).toEqual({ path: '/etc/motd' })
  await fleet.converged(next, 'db1')
  expect(fleet.cat('db1', 'etc/app/app.conf')).toBe('port = 81\n')
  await until('the repair', () => (fleet.cat('db1', 'etc/issue')!.endsWith('paused\n') ? undefined : true))
  expect(await says(0, 'apply', '--agent')).toBe('6 steps in force: 6 kept, 0 repaired, 0 not kept\n')
})

test.skipIf(!existsSync('/usr/bin/script'))('colours on a terminal, and none with NO_COLOR', () => {
  const command = `'${bin}' peers --state '${fleet.host('web1').state}'`
  const onTerminal = (env: Record<string, string>) =>
    execFileSync('script', ['-qec', command, '/dev/null'], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], TERM: 'xterm', ...env },
    })
  expect(onTerminal({})).toContain('\u001b[32m')
  expect(onTerminal({ NO_COLOR: '1' })).not.toContain('\u001b[')
})
