// What `fleet peers` and `fleet rollout` show, screen for screen: six hosts and five hundred, from 60 columns to 160.
import { describe, expect, test } from 'vitest'
import type { Filter, Picture, Sort } from '../../cli/census.ts'
import { frame, listing } from '../../cli/fleet-frame.ts'
import { printed } from '../../cli/render.ts'
import { shares, story } from '../../cli/story.ts'
import { fiveHundred, nowMs, peer, rollout, six, stage } from './pictures.ts'

const all: Filter = { labels: [], states: [], release: undefined }
const draw = (
  picture: Picture,
  columns: number,
  rows: number,
  more: { offset?: number; sort?: Sort; colour?: boolean } = {},
) =>
  frame({ picture, filter: all, sort: 'attention', colour: false, offset: 0, ...more }, columns, rows, nowMs)
const text = (lines: readonly string[]) => `\n${lines.map(each => each.trimEnd()).join('\n')}\n`

describe('fleet peers', () => {
  test('six hosts at 80 × 24', () => {
    expect(text(draw(six, 80, 24).lines)).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts
      epoch 2 of 3, commit 3f2a91c0de, 12 min ago by alice@example.org
      HOLD  stage 3 stays shut: 1 failed; below 40 hosts any failure holds; waits 55 s
            at most
      6 hosts: 1 converged, 1 failed, 1 silent, 1 soaking, 1 waiting, 1 paused

      HOST        RELEASE  PHASE    KEPT/REPAIRED/NOT  DRIFT  HEARD  AGENT  NOTES
      web2        42       FAILED   11/1/0             -      10 s   0.1.0
        site.steps:12 CHECK curl -fsS http://localhost/health exited with 22: The req…
      db2         41       SILENT   11/1/0             -      5 h    0.1.0
      web10       42       APPLIED  11/1/0             3      10 s   0.1.0
        1 contested
      db1         41       HEALTHY  11/1/0             -      10 s   0.1.0
      mail        41       PAUSED   11/1/0             -      10 s   0.1.0  disk swap
      web1 (you)  42       HEALTHY  11/1/0             -      now    0.1.0








      12:31:05 UTC   q quit   j k scroll   space b page   g G ends
      "
    `)
  })
  test('six hosts at 60 × 16: less of the table, the whole of the reason', () => {
    expect(text(draw(six, 60, 16).lines)).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts
      epoch 2 of 3, commit 3f2a91c0de, 12 min ago by alice@exampl…
      HOLD  stage 3 stays shut: 1 failed; below 40 hosts any
            failure holds; waits 55 s at most
      6 hosts: 1 converged, 1 failed, 1 silent, 1 soaking,
        1 waiting, 1 paused

      HOST        RELEASE  PHASE    NOT KEPT  DRIFT  HEARD  AGENT
      web2        42       FAILED   -         -      10 s   0.1.0
        site.steps:12 CHECK curl -fsS http://localhost/health exi…
      db2         41       SILENT   -         -      5 h    0.1.0
      web10       42       APPLIED  -         3      10 s   0.1.0
        1 contested
      db1         41       HEALTHY  -         -      10 s   0.1.0
      2 more below: 1 paused, 1 converged
      12:31:05 UTC   q quit   j k scroll   space b page   g G ends
      "
    `)
  })
  test('six hosts at 160 × 20: notes stand beside their hosts', () => {
    expect(text(draw(six, 160, 20).lines)).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts
      epoch 2 of 3, commit 3f2a91c0de, 12 min ago by alice@example.org
      HOLD  stage 3 stays shut: 1 failed; below 40 hosts any failure holds; waits 55 s at most
      6 hosts: 1 converged, 1 failed, 1 silent, 1 soaking, 1 waiting, 1 paused

      HOST        RELEASE  PHASE    KEPT/REPAIRED/NOT  DRIFT  HEARD  AGENT  NOTES
      web2        42       FAILED   11/1/0             -      10 s   0.1.0
        site.steps:12 CHECK curl -fsS http://localhost/health exited with 22: The requested URL returned error: 502
      db2         41       SILENT   11/1/0             -      5 h    0.1.0
      web10       42       APPLIED  11/1/0             3      10 s   0.1.0  1 contested
      db1         41       HEALTHY  11/1/0             -      10 s   0.1.0
      mail        41       PAUSED   11/1/0             -      10 s   0.1.0  disk swap
      web1 (you)  42       HEALTHY  11/1/0             -      now    0.1.0






      12:31:05 UTC   q quit   j k scroll   space b page   g G ends
      "
    `)
  })
  test('five hundred at 80 × 24, and scrolled to the end', () => {
    expect(text(draw(fiveHundred, 80, 24).lines)).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts for the upload of large files, as asked for …
      epoch 4 of 5, commit 3f2a91c0de, 12 min ago by alice@example.org
      HOLD  holds at stage 4: 90 healthy, 1 failed, 14 still run or soak (until
            12:40:10 at the latest), 2 not heard of yet (until 12:33:05 at the
            latest); waits 2 min at most
      500 hosts: 125 converged, 1 failed, 1 not kept, 9 silent, 20 applying,
        50 soaking, 294 waiting

      HOST                        RELEASE  PHASE     KEPT/REP/NOT  DRIFT  HEARD  AGENT
      host18.rack6.example.org    42       FAILED    11/1/0        -      10 s   0.1.0
        site.steps:12 SERVICE nginx running: did not start
      host231.rack3.example.org   42       HEALTHY   11/1/2        14     10 s   0.1.0
        1 contested
      host8.rack8.example.org     41       SILENT    11/1/0        -      2 h    0.1.0
      host68.rack8.example.org    41       SILENT    11/1/0        -      2 h    0.1.0
      host128.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host188.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host248.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host308.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host368.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host428.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      host488.rack8.example.org   41       SILENT    11/1/0        -      2 h    0.1.0
      489 more below: 20 applying, 50 soaking, 294 waiting, 125 converged
      12:31:05 UTC   q quit   j k scroll   space b page   g G ends
      "
    `)
    expect(text(draw(fiveHundred, 80, 24, { offset: 9_999 }).lines)).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts for the upload of large files, as asked for …
      epoch 4 of 5, commit 3f2a91c0de, 12 min ago by alice@example.org
      HOLD  holds at stage 4: 90 healthy, 1 failed, 14 still run or soak (until
            12:40:10 at the latest), 2 not heard of yet (until 12:33:05 at the
            latest); waits 2 min at most
      500 hosts: 125 converged, 1 failed, 1 not kept, 9 silent, 20 applying,
        50 soaking, 294 waiting

      HOST                        RELEASE  PHASE     KEPT/REP/NOT  DRIFT  HEARD  AGENT
      host137.rack5.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host138.rack6.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host139.rack7.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host140.rack8.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host141.rack9.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host143.rack11.example.org  42       HEALTHY   11/1/0        -      10 s   0.1.0
      host144.rack12.example.org  42       HEALTHY   11/1/0        -      10 s   0.1.0
      host145.rack1.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host146.rack2.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host147.rack3.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host148.rack4.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host149.rack5.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      host150.rack6.example.org   42       HEALTHY   11/1/0        -      10 s   0.1.0
      487 above
      12:31:05 UTC   q quit   j k scroll   space b page   g G ends
      "
    `)
  })
  test('filtered and sorted, printed once', () => {
    const filter = { ...all, labels: ['role=web'] }
    const shown = listing({ picture: six, filter, sort: 'name', colour: false }, 100, nowMs)
    expect(text(shown.split('\n'))).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts
      epoch 2 of 3, commit 3f2a91c0de, 12 min ago by alice@example.org
      HOLD  stage 3 stays shut: 1 failed; below 40 hosts any failure holds; waits 55 s at most
      6 hosts: 1 converged, 1 failed, 1 silent, 1 soaking, 1 waiting, 1 paused
      shown: 3 of 6 hosts (role=web), by name

      HOST        RELEASE  PHASE    KEPT/REPAIRED/NOT  DRIFT  HEARD  AGENT  NOTES
      web1 (you)  42       HEALTHY  11/1/0             -      now    0.1.0
      web2        42       FAILED   11/1/0             -      12 s   0.1.0
        site.steps:12 CHECK curl -fsS http://localhost/health exited with 22: The requested URL returned
        error: 502
      web10       42       APPLIED  11/1/0             3      12 s   0.1.0  1 contested
      "
    `)
  })
  test('before the first release, before the roster, and with a filter that fits nobody', () => {
    const blank = peer('web1', { release: null, head: 2, state: 'BLANK', kept: 0, repaired: 0, you: true })
    const view = { filter: all, sort: 'name' as const, colour: false }
    expect(listing({ picture: { peers: [blank], rollout: null }, ...view }, 80, nowMs)).toBe(
      'no release yet\n1 host: 0 converged, 1 waiting\n\nHOST        RELEASE  PHASE  KEPT/REPAIRED/NOT  DRIFT  HEARD  AGENT\nweb1 (you)  -        BLANK  -                  -      now    0.1.0',
    )
    expect(listing({ picture: { peers: [], rollout: null }, ...view }, 80, nowMs)).toBe(
      'the roster is empty, or has not arrived yet',
    )
    const nobody = { ...view, filter: { ...all, labels: ['role=mail'] } }
    expect(listing({ picture: six, ...nobody }, 80, nowMs)).toMatch(
      /\nshown: 0 of 6 hosts \(role=mail\), by name\n\nno host fits$/,
    )
  })
  test('who spoke just now is not dated in milliseconds', () => {
    const peers = [
      peer('a', { heardMs: nowMs }),
      peer('b', { heardMs: nowMs - 4_999 }),
      peer('c', { heardMs: nowMs + 900 }),
    ]
    const heard = (lines: readonly string[]) =>
      lines.flatMap(each => /^[abc] .*? (now|\d+ m?s) +0\.1\.0$/.exec(each)?.[1] ?? [])
    expect(heard(draw({ peers, rollout: rollout() }, 80, 24).lines)).toEqual(['now', 'now', 'now'])
    const once = listing(
      { picture: { peers, rollout: rollout() }, filter: all, sort: 'name', colour: false },
      80,
      nowMs,
    )
    expect(heard(once.split('\n'))).toEqual(['now', '4 s', 'now'])
  })
  test('when all have it, it says DONE; a halt says so in its own words', () => {
    const done = { peers: [peer('web1'), peer('web2', { state: 'NOOP' })], rollout: rollout() }
    expect(draw(done, 80, 24).lines[2]).toBe('DONE  all 2 hosts have it')
    const decision = { kind: 'halt', reason: 'two signed failures', untilMs: null } as const
    expect(draw({ ...done, rollout: rollout({ decision }) }, 80, 24).lines[2]).toBe(
      'HALT  two signed failures',
    )
  })

  test('no screen is too small, and no line or count of lines exceeds it', () => {
    for (const picture of [six, fiveHundred, { peers: [], rollout: null }])
      for (const columns of [1, 7, 20, 40, 79, 80, 131, 200])
        for (const rows of [1, 2, 3, 5, 9, 24, 60])
          for (const colour of [false, true]) {
            const { lines } = draw(picture, columns, rows, { colour })
            expect(lines.length, `${columns} × ${rows}`).toBe(rows)
            for (const line of lines) expect(printed(line), line).toBeLessThanOrEqual(columns)
          }
  })

  test('scrolling by pages shows every host once', () => {
    const seen: string[] = []
    for (let offset = 0; ; ) {
      const { lines, page, offset: at } = draw(fiveHundred, 100, 24, { offset })
      seen.push(...lines.flatMap(each => /^(host\S+)/.exec(each)?.[1] ?? []))
      if (offset > at) break
      offset = at + page
    }
    expect(new Set(seen).size).toBe(500)
  })

  test('what hosts say of themselves cannot steer the terminal', () => {
    const hostile = peer('web1', {
      state: 'FAILED',
      why: 'a\u001b[2J\u001b]0;owned\u0007\u009b1m\u202eb',
      agent: '\u001b[8m',
    })
    const picture = { peers: [hostile], rollout: rollout({ subject: 'x\u001b[3Jy\r\nz' }) }
    const lines = [
      ...draw(picture, 120, 24).lines,
      ...story(
        {
          ...picture,
          rollout: rollout({
            evidence: [{ host: '0', name: 'web1', state: 'FAILED', attempt: 1, why: hostile.why }],
          }),
        },
        120,
        nowMs,
        false,
      ),
    ]
    expect(lines.join('\n')).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/)
  })

  test('colours change nothing but colours', () => {
    for (const picture of [six, fiveHundred]) {
      const bare = draw(picture, 80, 24, { colour: true }).lines.map(each =>
        each.replace(/\u001b\[[0-9;]*m/g, ''),
      )
      expect(bare).toEqual(draw(picture, 80, 24).lines)
    }
  })
})

describe('fleet rollout', () => {
  test('six hosts', () => {
    expect(text(story(six, 80, nowMs, false))).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts
      epoch 2 of 3, commit 3f2a91c0de, 12 min ago by alice@example.org

      STAGE  HOSTS  OPENED
      1      1      11 min ago  ████████████████  1 healthy
      2      2      5 min ago   ××××××××▒▒▒▒▒▒▒▒  1 failed, 1 running
      3      3      shut        ················

      HOLD  stage 3 stays shut: 1 failed; below 40 hosts any failure holds; waits 55 s
            at most

      for      1 host: web1
      against  web2 (attempt 2) FAILED: site.steps:12 CHECK curl -fsS
               http://localhost/health exited with 22: The requested URL returned
               error: 502
      open     1 host: web10
      next     fleet retry web2 tries again there, fleet promote goes on all the same,
               fleet rollback N takes it back
      "
    `)
  })
  test('five hundred hosts', () => {
    expect(text(story(fiveHundred, 80, nowMs, false))).toMatchInlineSnapshot(`
      "
      release 42  nginx: longer timeouts for the upload of large files, as asked for …
      epoch 4 of 5, commit 3f2a91c0de, 12 min ago by alice@example.org

      STAGE  HOSTS  OPENED
      1      1      11 min ago  ████████████████  1 healthy
      2      5      9 min ago   ████████████████  5 healthy
      3      24     7 min ago   ███████████████×  23 healthy, 1 failed
      4      120    60 s ago    ████████?▒-·····  61 healthy, 1 fell silent,
                                                  14 running, 2 absent, 42 waiting,
                                                  80 may start
      5      350    shut        ················

      HOLD  holds at stage 4: 90 healthy, 1 failed, 14 still run or soak (until
            12:40:10 at the latest), 2 not heard of yet (until 12:33:05 at the
            latest); waits 2 min at most

      for      75 hosts: host1.rack1.example.org, host2.rack2.example.org,
               host3.rack3.example.org, host4.rack4.example.org and 71 more
      against  host18.rack6.example.org FAILED: site.steps:12 SERVICE nginx running:
               did not start
      open     14 hosts: host77.rack5.example.org, host78.rack6.example.org,
               host79.rack7.example.org, host80.rack8.example.org and 10 more
      next     fleet retry host18.rack6.example.org tries again there,
               fleet promote goes on all the same, fleet rollback N takes it back
      "
    `)
    for (const columns of [40, 60, 80, 120, 200])
      for (const line of story(fiveHundred, columns, nowMs, true))
        expect(printed(line), line).toBeLessThanOrEqual(columns)
  })
  test('of a shut stage all wait, whatever is expected of them', () => {
    const shut = stage(2, 5, { granted: 0, waiting: 0, absent: 5, openedMs: null })
    const stages = [stage(1, 1, { failed: 1, waiting: 0 }), shut]
    const lines = story({ ...six, rollout: rollout({ stages }) }, 80, nowMs, false)
    expect(lines.find(each => each.startsWith('2'))).toMatch(/^2 +5 +shut +·+$/)
  })

  test('halted by hand', () => {
    const halted = rollout({
      halts: [
        {
          id: 'cd'.repeat(32),
          signer: 'bob@example.org',
          issuedMs: nowMs - 60_000,
          reason: 'the shop is slow',
        },
      ],
    })
    const told = text(story({ ...six, rollout: halted }, 80, nowMs, false))
    expect(told).toContain(
      '\nHALT  bob@example.org halted it: the shop is slow\n      order cdcdcdcdcd, 60 s ago\n\n',
    )
    expect(told).toContain('\nnext     fleet resume lets it go on, fleet rollback N takes it back\n')
  })

  test.each([
    [[1, 0, 0], 8, [8, 0, 0]],
    [[1, 1], 8, [4, 4]],
    // One in a thousand is seen, at the cost of the largest.
    [[999, 1], 8, [7, 1]],
    [[1, 1, 1], 8, [3, 3, 2]],
    [[0, 0], 8, [0, 0]],
    [[1, 1, 1, 1], 2, [1, 1, 1, 1]],
  ])('a bar of %j in %d columns is %j', (counts, width, sizes) => {
    expect(shares(counts, width)).toEqual(sizes)
  })
})
