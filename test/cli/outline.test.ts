import { expect, test } from 'vitest'
import { outlineOf, screenOf } from '../../cli/outline.ts'
import { type Content, changesOf } from '../../node/affected.ts'
import { type Basis, candidatesOf, chart } from '../../node/course.ts'
import type { ReleaseEntry } from '../../node/log.ts'
import type { RolloutTerms } from '../../node/release.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import type { Host } from '../../signing/roster.ts'

const terms: RolloutTerms = {
  soakSeconds: undefined,
  windowSeconds: undefined,
  deadlineSeconds: 1800,
  expiresSeconds: 86_400,
  riskBasisPoints: 500,
  liarsBasisPoints: 0,
}
const host = (name: string, labels: Record<string, string> = {}): Host => ({
  name,
  key: sha256(utf8(name)),
  addresses: [],
  labels,
})
const six = [
  host('web1', { role: 'web' }),
  host('web2', { role: 'web' }),
  host('web3', { role: 'web', rollout: 'canary' }),
  host('mail1'),
  host('mail2', { rollout: 'last' }),
  host('db1', { role: 'db' }),
]

function content(roster: readonly Host[], files: Readonly<Record<string, string>>): Content {
  return {
    files: new Map(
      Object.entries(files).map(([path, text]) => [
        path,
        { mode: '100644', sha256: hex(sha256(utf8(text))), size: text.length },
      ]),
    ),
    text: path => files[path],
    roster,
  }
}
const before = { 'site.steps': 'COPY motd /etc/motd\n', motd: 'one' }
const after = {
  'site.steps': `COPY motd /etc/motd
WHEN label.role=web
  RUN "migrate" id=migrate
END
`,
  motd: 'one',
}
const everywhere = { ...before, motd: 'two' }
const release = (sequence: number) =>
  ({ sequence, id: hex(sha256(utf8(`${sequence}`))) }) as unknown as ReleaseEntry

function screen(
  roster: readonly Host[],
  [old, now]: readonly [Readonly<Record<string, string>> | undefined, Readonly<Record<string, string>>],
  basis: Basis,
  more: {
    terms?: Partial<RolloutTerms>
    now?: boolean
    missing?: number
    again?: number
    unfinished?: string
  } = {},
): string {
  const found = changesOf(old && content(roster, old), content(roster, now))
  if (found.kind !== 'surveyed') throw new Error('needs files')
  const candidates = candidatesOf(roster, found.changes)
  const charted = chart(candidates, basis, { ...terms, ...more.terms }, { now: more.now ?? false })
  if (charted.kind === 'refused') throw new Error(charted.reason)
  const about = { sequence: 7, subject: 'longer timeouts', id: 'ab'.repeat(32), again: more.again }
  const outline = outlineOf(about, roster, found.lists, basis, charted)
  const labels = new Map(roster.map(each => [each.name, each.labels]))
  const look = { columns: 80, colour: false, missing: more.missing, unfinished: more.unfinished }
  return `\n${screenOf(outline, name => labels.get(name)!, look)}\n`
}
const stable = { stable: release(5), seed: undefined }

test('some hosts of six, and a step that cannot be taken back', () => {
  expect(screen(six, [before, after], stable)).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    changes 3 of 6 hosts
    compared with release 5, the last one seen complete

    stage  hosts  share   first of them
    1      1      33.3 %  web3 (canary)
    2      2      66.7 %  web2
    3      3      100 %   web1

    follow with the last stage: db1, mail1, mail2
    one-way: RUN migrate (site.steps:3) runs on 3 hosts, and cannot be taken back
    done in 3 min at the earliest: 3 steps, each 60 s of soak and its run
    "
  `)
})

test('every host of six, in the order of an unfinished release', () => {
  const basis = { stable: release(5), seed: release(6) }
  const more = {
    terms: { soakSeconds: 600, windowSeconds: 300, serial: 'rack' },
    unfinished:
      'release 6 is not complete: 2 of 6 hosts have it, 4 are silent or paused, and half must have it',
  }
  expect(screen(six, [before, everywhere], basis, more)).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    changes 6 of 6 hosts
    compared with release 5, the last one seen complete
    goes on in the order of release 6, which is not complete
    release 6 is not complete: 2 of 6 hosts have it, 4 are silent or paused, and half must have it
    hosts with one value of rack= go one after another

    stage  hosts  share   first of them
    1      1      16.7 %  web3 (canary)
    2      2      33.3 %  db1
    3      4      66.7 %  mail1, web2
    4      6      100 %   web1, mail2 (last)

    done in 60 min at the earliest: 4 steps, each 5 min of window, 10 min of soak and its run
    "
  `)
})

test('the first release', () => {
  expect(screen(six, [undefined, before], { stable: undefined, seed: undefined })).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    all of it counts as new to 6 hosts
    no release was seen complete yet

    stage  hosts  share   first of them
    1      1      16.7 %  web3 (canary)
    2      2      33.3 %  web2
    3      4      66.7 %  db1, web1
    4      6      100 %   mail1, mail2 (last)

    done in 4 min at the earliest: 4 steps, each 60 s of soak and its run
    "
  `)
})

test('the content of the last complete release is elsewhere', () => {
  const basis = { stable: undefined, seed: undefined }
  expect(screen(six.slice(0, 1), [undefined, before], basis, { missing: 5 })).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    all of it counts as new to 1 host
    release 5, the last one seen complete, is not on this machine: git fetch

    stage  hosts  share  first of them
    1      1      100 %  web1

    done in 60 s at the earliest: 1 step, each 60 s of soak and its run
    "
  `)
})

test('all at once, with no soak', () => {
  const more = { now: true, terms: { soakSeconds: 0 } }
  expect(screen(six, [before, everywhere], stable, more)).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    changes 6 of 6 hosts
    compared with release 5, the last one seen complete

    stage  hosts  share  first of them
    1      6      100 %  web3 (canary), web2, db1, web1 and 2 more

    done at the earliest when it has run everywhere: there is no soak
    "
  `)
})

test('nothing changes', () => {
  expect(screen(six, [before, before], stable)).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    nothing changes on any of 6 hosts
    compared with release 5, the last one seen complete
    follow at once: web3, web2, db1, web1 and 2 more
    done in 60 s at the earliest: 1 step, each 60 s of soak and its run
    "
  `)
})

test('a large fleet, with stages of its own that open in parts', () => {
  const roster = [...Array(500).keys()].map(n => host(`edge-${n}.example.org`))
  const more = { terms: { stages: '1,10%,100%' } }
  expect(screen(roster, [before, everywhere], stable, more)).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    changes 500 of 500 hosts
    compared with release 5, the last one seen complete

    stage  hosts  share  opens       first of them
    1      1      0.2 %  at once     edge-379.example.org
    2      50     10 %   in 2 parts  edge-289.example.org and 48 more
    3      500    100 %  in 2 parts  edge-330.example.org and 449 more

    done in 50 min at the earliest: 5 steps, each 10 min of soak and its run
    "
  `)
})

test('back to what was there before', () => {
  expect(
    screen(six.slice(0, 2), [everywhere, before], { stable: release(6), seed: undefined }, { again: 5 }),
  ).toMatchInlineSnapshot(`
    "
    release 7: longer timeouts
    changes 2 of 2 hosts
    compared with release 6, the last one seen complete
    hosts that were well with release 5, which holds the same, take it at once

    stage  hosts  share  first of them
    1      1      50 %   web2
    2      2      100 %  web1

    done in 2 min at the earliest: 2 steps, each 60 s of soak and its run
    "
  `)
})

test('no line is longer than the terminal is wide', () => {
  const roster = [...Array(60).keys()].map(n => host(`a-host-with-quite-a-long-name-${n}.example.org`))
  for (const line of screen(roster, [before, everywhere], stable).split('\n'))
    expect(line.length, line).toBeLessThanOrEqual(80)
})
