// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openRepository } from '../../node/git.ts'
import { EntryLog } from '../../node/log.ts'
import type { Repository } from '../../node/ports.ts'
import { makeRelease, type SourceFile } from '../../node/publish.ts'
import { type Found, openSurvey, type Surveyor } from '../../node/survey.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { encodeEnvelope, type FleetId } from '../../signing/entry.ts'
import type { Time } from '../../signing/fields.ts'
import { writeRoster } from '../../signing/roster.ts'
import { anna, files, genesis, hosts, type Made, operator, release, trustChange } from '../signing/fleet.ts'

const folder = mkdtempSync(join(tmpdir(), 'fleet-survey-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const three = hosts(3)
const [web1, web2, db1] = three.map(each => hex(each.key)) as [string, string, string]
const labelled = (...roles: string[]) => three.map((each, at) => ({ ...each, labels: { role: roles[at]! } }))
const trees: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  first: {
    'site.steps': 'COPY motd /etc/motd\nINCLUDE web.steps\n',
    'web.steps': 'WHEN label.role=web\n  TEMPLATE conf /etc/conf\nEND\n',
    motd: 'one',
    conf: 'role ${label.role}',
  },
}

let log: EntryLog
let repository: Repository
let reads: string[]
const ids: Record<string, Made> = {}

const sourceOf = (tree: Readonly<Record<string, string | Uint8Array>>) =>
  new Map<string, SourceFile>(
    Object.entries(tree)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([path, text]) => [path, { mode: '100644', bytes: typeof text === 'string' ? utf8(text) : text }]),
  )

async function publish(
  name: string,
  tree: Readonly<Record<string, string | Uint8Array>>,
  on: { previous: Made; trust?: Made },
  held = true,
) {
  const made = makeRelease({
    files: sourceOf(tree),
    trust: new Map(),
    author: { name: 'anna', email: 'anna@example.org' },
    seconds: 1,
    subject: name,
  })
  if (made.kind === 'refused') throw new Error(made.detail)
  const { commit, content } = made.release
  const claim = { digest: made.digest, base: 'none', commit, content } as const
  if (held) expect(await repository.install(made.pack, claim)).toMatchObject({ kind: 'installed' })
  ids[name] = release(
    { fleet: ids['genesis']!, ...on },
    {
      object: commit,
      content: content as never,
      packs: [{ digest: made.digest, size: made.size, base: 'none' }],
      expires: '2030-01-01T00:00:00Z' as Time,
    },
  )
  take(ids[name])
}

const take = ({ envelope }: Made) =>
  expect(log.take(encodeEnvelope(envelope), { gap: false })).toMatchObject({ kind: 'accepted' })

beforeAll(async () => {
  const operators = [operator('anna', anna)]
  const rosterOf = (...roles: string[]) => ({
    ...files(operators, three),
    hosts: writeRoster(labelled(...roles)),
  })
  ids['genesis'] = genesis(rosterOf('web', 'web', 'db'))
  log = new EntryLog({ fleet: ids['genesis'].id as string as FleetId, language: 1 })
  const opened = (await openRepository(join(folder, 'repo.git'), { now: () => 0 })).port
  repository = opened
  take(ids['genesis'])
  const first = trees['first']!
  await publish('first', first, { previous: ids['genesis'] })
  await publish('second', { ...first, conf: 'the role ${label.role}' }, { previous: ids['first']! })
  ids['trust'] = trustChange(
    { fleet: ids['genesis'], previous: ids['second']! },
    rosterOf('web', 'web', 'web'),
  )
  take(ids['trust'])
  const after = { previous: ids['trust'], trust: ids['trust'] }
  await publish('third', { ...first, motd: 'three', conf: 'the role ${label.role}' }, after)
  await publish(
    'fourth',
    { ...first, conf: Uint8Array.of(0xff, 0xfe) },
    { ...after, previous: ids['third']! },
  )
  await publish('elsewhere', { ...first, motd: 'five' }, { ...after, previous: ids['fourth']! }, false)
})

const surveyor = (memo?: Map<string, Found>): Surveyor => {
  reads = []
  const counted: Repository = Object.assign(Object.create(repository) as Repository, {
    read: (commit: string, path: string) => {
      reads.push(path)
      return repository.read(commit, path)
    },
  })
  return openSurvey({ entries: log, repository: counted, memo })
}
const id = (name: string) => ids[name]!.id as string
const groups = async (release: string, stable?: string) => {
  const found = await surveyor()(id(release), stable && id(stable))
  return found && [...found.changes].map(([host, digest]) => [host, digest?.slice(0, 4)])
}

test('what differs for each host of the roster that the release names', async () => {
  const found = await surveyor()(id('second'), id('first'))
  expect(found).toMatchObject({ kind: 'surveyed', entry: id('second'), stable: id('first') })
  expect([...found!.changes.keys()]).toEqual([web1, web2, db1])
  expect(found!.changes.get(db1)).toBeUndefined()
  expect(found!.changes.get(web1)).toMatch(/^[0-9a-f]{64}$/)
  expect(found!.changes.get(web2)).toBe(found!.changes.get(web1))
})

test('Stable as its own roster had the hosts', async () => {
  const found = (await surveyor()(id('third'), id('second')))!.changes
  // The one of the database gets what web hosts have: not the change of the others.
  expect(found.get(web1)).toBe(found.get(web2))
  expect(found.get(db1)).toMatch(/^[0-9a-f]{64}$/)
  expect(found.get(db1)).not.toBe(found.get(web1))
})

test('the same on another machine, and for good', async () => {
  expect(await groups('second', 'first')).toEqual(await groups('second', 'first'))
  expect(await groups('second', 'first')).toMatchInlineSnapshot(`
    [
      [
        "2bc2800b3316e009209ffd757dab19ccf0ae84bc7ae90654e1e81712d270f653",
        "467e",
      ],
      [
        "d62f016a1efd1e4fdf793eb42cd84471e1ba9f0cf04d1287b5cc71f616287cb8",
        "467e",
      ],
      [
        "34b4d9043156cb6dcf0beb0a2949b7559c940d2bcb6dbe8c53a9b30278e3a746",
        undefined,
      ],
    ]
  `)
})

test('a Stable that is not held here counts as none, and the answer says so', async () => {
  const found = await surveyor()(id('third'), id('elsewhere'))
  expect(found?.stable).toBeUndefined()
  expect(found?.changes).toEqual((await surveyor()(id('third'), undefined))!.changes)
  expect((await surveyor()(id('third'), '00'.repeat(32)))?.stable).toBeUndefined()
})

test('a release that is not held any more has no answer', async () => {
  expect(await surveyor()(id('elsewhere'), id('first'))).toBeUndefined()
})

test('a template that is no text concerns who is to take it', async () => {
  const found = (await surveyor()(id('fourth'), id('third')))!.changes
  expect([...found.values()].every(each => each !== undefined)).toBe(true)
})

test('what was found out is not read again, by whoever shares the memo', async () => {
  const memo = new Map<string, Found>()
  const ask = surveyor(memo)
  const first = await ask(id('second'), id('first'))
  expect(reads.toSorted()).toEqual(['conf', 'site.steps', 'web.steps'].flatMap(each => [each, each]))
  expect(await surveyor(memo)(id('second'), id('first'))).toEqual(first)
  expect(reads).toEqual([])
  // Others push it out: a host asks only of few.
  for (const [a, b] of [
    ['third', 'second'],
    ['third', 'first'],
    ['fourth', 'third'],
    ['fourth', 'first'],
  ] as const)
    await surveyor(memo)(id(a), id(b))
  expect(memo.size).toBe(4)
  expect(await surveyor(memo)(id('second'), id('first'))).toEqual(first)
  expect(reads).not.toEqual([])
})
