import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Content, changesOf, oneWaySteps } from '../../node/affected.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'
import type { Host } from '../../signing/roster.ts'

type Files = Readonly<Record<string, string>>
interface Tree {
  readonly files: Files
  readonly executable?: readonly string[]
  readonly roster?: readonly Host[]
}

const host = (name: string, labels: Record<string, string> = {}, address = `${name}.example:4747`): Host => ({
  name,
  key: sha256(utf8(name.replace(/-.*/, ''))),
  addresses: [address],
  labels,
})
const hosts = [
  host('web1', { role: 'web' }),
  host('web2', { role: 'web', rack: 'a' }),
  host('db1', { role: 'db' }),
]

/** All texts are there; see the last test for how they are asked for. */
function content({ files, executable = [], roster = hosts }: Tree): Content {
  return {
    files: new Map(
      Object.entries(files).map(([path, text]) => [
        path,
        {
          mode: executable.includes(path) ? '100755' : '100644',
          sha256: hex(sha256(utf8(text))),
          size: utf8(text).length,
        },
      ]),
    ),
    text: path => files[path],
    roster,
  }
}

function survey(stable: Tree | undefined, release: Tree) {
  const found = changesOf(stable && content(stable), content(release))
  if (found.kind !== 'surveyed') throw new Error(`needs ${JSON.stringify(found)}`)
  return found
}

/** Names of the hosts for which something changes, those of one list together. */
function groups(stable: Tree | undefined, release: Tree): string[][] {
  const roster = release.roster ?? hosts
  const { lists, changes } = survey(stable, release)
  const names = (keys: readonly string[]) =>
    keys.map(key => roster.find(each => hex(each.key) === key)?.name ?? key)
  for (const list of lists) for (const key of list.hosts) expect(changes.get(key)).toBe(list.digest)
  expect([...changes.values()].filter(each => each !== undefined)).toHaveLength(
    lists.flatMap(each => each.hosts).length,
  )
  expect([...changes.keys()]).toEqual(roster.map(each => hex(each.key)))
  return lists.map(each => names(each.hosts))
}

const site = `COPY files/motd /etc/motd
WHEN label.role=web
  COPY files/web.conf /etc/web.conf
  TEMPLATE files/vhost /etc/vhost
END
WHEN fact.os.id=debian
  COPY files/apt.conf /etc/apt.conf
END
RUN "echo done" unless="test -e /run/done" id=done
`
const vars = '[default]\nport = "80"\n[label.rack.a]\nport = "81"\n'
const base: Files = {
  'site.steps': site,
  'vars.toml': vars,
  'files/motd': 'hello\n',
  'files/web.conf': 'web\n',
  'files/vhost': `listen \${var.port}\n`,
  'files/apt.conf': 'apt\n',
}
const steps = (text: string): Tree => ({ files: { ...base, 'site.steps': text } })
const file = (path: string, text: string): Tree => ({ files: { ...base, [path]: text } })
const all = ['web1', 'web2', 'db1']

describe('whom a change concerns', () => {
  const stable: Tree = { files: base }
  const table: [string, Tree, string[][]][] = [
    ['nothing', stable, []],
    ['a file that no step takes', { files: { ...base, 'README.md': 'new' } }, []],
    ['a comment and an empty line', steps(`# words\n\n${site}`), []],
    ['a moved step', steps(site.replace(/(COPY files\/motd .*\n)([\s\S]*)/, '$2$1')), []],
    [
      'steps in a file of their own',
      { files: { ...base, 'site.steps': 'INCLUDE all.steps\n', 'all.steps': site } },
      [],
    ],
    [
      'a source that moved',
      { files: { ...base, motd: 'hello\n', 'site.steps': site.replace('files/motd', 'motd') } },
      [],
    ],
    ['the content of a file', { files: { ...base, 'files/motd': 'bye\n' } }, [all]],
    ['the content of a file of one role', { files: { ...base, 'files/web.conf': 'x' } }, [['web1', 'web2']]],
    ['the execute bit of a file', { files: base, executable: ['files/motd'] }, [all]],
    ['an option', steps(site.replace('/etc/web.conf', '/etc/web.conf mode=0600')), [['web1', 'web2']]],
    ['a step under a fact', { files: { ...base, 'files/apt.conf': 'y' } }, [all]],
    ['the fact of a guard', steps(site.replace('=debian', '=ubuntu')), [all]],
    ['a role more', steps(`${site}WHEN label.role=db\n  COPY files/motd /etc/db\nEND\n`), [['db1']]],
    ['a role less', steps(site.replace('label.role=web', 'label.role=mail')), [['web1'], ['web2']]],
    ['a variable of a label', file('vars.toml', '[default]\nport = "80"\n'), [['web2']]],
    ['the default of a variable', file('vars.toml', vars.replace('80', '8')), [['web1']]],
    ['a variable of a host', file('vars.toml', `${vars}[host.web1]\nport = "82"\n`), [['web1']]],
    ['the text of a template', file('files/vhost', `Listen \${var.port}`), [['web1'], ['web2']]],
    ['a fact in a template', file('files/vhost', `listen \${fact.address}`), [['web1'], ['web2']]],
    ['a guard by name', steps(`${site}WHEN host.name=db1\n  MKDIR /srv/db\nEND\n`), [['db1']]],
    ['a step that leaves', steps(site.replace(/RUN .*\n/, '')), [all]],
    ['a declaration that cannot be read', steps('COPY\n'), [['web1'], ['web2'], ['db1']]],
  ]
  for (const [what, release, expected] of table)
    test(what, () => expect(groups(stable, release)).toEqual(expected))

  test('without Stable all steps are new', () => {
    expect(groups(undefined, stable)).toEqual([['web1'], ['web2'], ['db1']])
    expect(survey(undefined, stable).lists.map(each => each.apply.length)).toEqual([5, 5, 3])
  })

  test('what could not be declared left nothing behind', () => {
    const broken = survey(steps('COPY\n'), stable).lists
    expect(broken).toEqual(survey(undefined, stable).lists)
  })
})

describe('the roster', () => {
  const before: Tree = { files: base }
  const as = (...roster: Host[]): Tree => ({ files: base, roster })

  test('another label is a change for the host that has it', () => {
    const [web1, web2, db1] = hosts as [Host, Host, Host]
    expect(groups(before, as(web1, web2, { ...db1, labels: { role: 'web' } }))).toEqual([['db1']])
    expect(groups(before, as(web1, web2, { ...db1, labels: { role: 'db', floor: '3' } }))).toEqual([])
  })

  test('a newcomer was declared Stable by its line of today', () => {
    const roster = [...hosts, host('web3', { role: 'web' })]
    expect(groups(before, as(...roster))).toEqual([])
    expect(groups(before, { files: { ...base, 'files/web.conf': 'x' }, roster })).toEqual([
      ['web1', 'web2', 'web3'],
    ])
  })

  test('names and addresses in texts make no strata, unless the roster changes them', () => {
    const named = (text: string): Tree => {
      const files = { ...base, 'files/motd': text, 'site.steps': site.replace('COPY', 'TEMPLATE') }
      return { files }
    }
    const text = `I am \${host.name} at \${host.address}\n`
    expect(groups(named('I am here\n'), named(text))).toEqual([all])
    expect(groups(named(text), named(text))).toEqual([])
    const [web1, web2, db1] = hosts as [Host, Host, Host]
    const moved = host('db1', { role: 'db' }, '192.0.2.9')
    expect(groups(named(text), { ...named(text), roster: [web1, web2, moved] })).toEqual([['db1']])
    const renamed = host('db1-new', { role: 'db' }, db1.addresses[0])
    expect(groups(named(text), { ...named(text), roster: [web1, web2, renamed] })).toEqual([['db1-new']])
  })

  test('the addresses of others are a change for all that name them', () => {
    const files = { ...base, 'files/web.conf': 'x', 'files/vhost': `db \${hosts.role=db.address}\n` }
    const [web1, web2] = hosts as [Host, Host]
    const roster = [web1, web2, host('db1', { role: 'db' }, '192.0.2.9')]
    expect(groups({ files }, { files, roster })).toEqual([['web1', 'web2']])
  })
})

test('a step that cannot be taken back is named once, with the hosts that would run it', () => {
  const text = `${site}WHEN label.role=web\n  RUN "migrate" id=migrate\n  RUN "reload" on=/etc/web.conf id=reload\nEND\n`
  const found = oneWaySteps(survey({ files: base }, steps(text)).lists)
  expect(found.map(each => [each.step.id, each.step.origin.line, each.hosts.length])).toEqual([
    ['RUN migrate', 11, 2],
  ])
  const first = oneWaySteps(survey(undefined, { files: base }).lists)
  expect(first.map(each => [each.step.id, each.hosts.length])).toEqual([['RUN done', 3]])
})

test('files are asked for until all are there', () => {
  const known = new Map<string, string>()
  const whole = content({ files: base })
  const rounds: (readonly string[])[] = []
  for (;;) {
    const found = changesOf(undefined, { ...whole, text: path => known.get(path) })
    if (found.kind === 'surveyed') {
      expect(found).toEqual(changesOf(undefined, whole))
      break
    }
    rounds.push(found.release)
    for (const path of found.release) known.set(path, base[path]!)
  }
  expect(rounds).toEqual([['site.steps', 'vars.toml'], ['files/vhost']])
})

test('thousands of hosts cost no more than the kinds of hosts that there are', () => {
  const roster = [...Array(5_000).keys()].map(n =>
    host(`h${n}`, { role: ['web', 'db', 'mail'][n % 3]!, serial: `${n}`, rack: `${n % 50}` }),
  )
  const asked = new Map<string, number>()
  const release = content({ files: { ...base, 'files/motd': 'bye\n', 'files/web.conf': 'x' }, roster })
  const counted = {
    ...release,
    text: (path: string) => {
      asked.set(path, (asked.get(path) ?? 0) + 1)
      return release.text(path)
    },
  }
  const found = changesOf(content({ files: base, roster }), counted)
  expect(found.kind === 'surveyed' && found.lists.map(each => each.hosts.length)).toEqual([1_667, 3_333])
  // The template is read for each declaration that has it: one of web hosts, and one of those that came before its label was known.
  expect(asked.get('files/vhost')).toBeLessThanOrEqual(3)
})

describe('for any repository and roster', () => {
  const labels = fc.record(
    {
      role: fc.constantFrom('web', 'db'),
      rack: fc.constantFrom('a', 'b', 'c'),
      serial: fc.nat(1_000).map(String),
    },
    { requiredKeys: [] },
  )
  const rosters = fc
    .array(labels, { minLength: 1, maxLength: 12 })
    .map(list => list.map((each, at) => host(`h${at}`, each as Record<string, string>)))
  const blocks = fc.uniqueArray(
    fc.record({
      target: fc.nat(9),
      text: fc.constantFrom('one', `x \${var.port}`, `\${host.name}`, `\${fact.kernel}`),
      guard: fc.constantFrom(
        '',
        'label.role=web',
        'label.rack!=a',
        'host.name=h1',
        'fact.arch=x86_64',
        'var.port=81',
      ),
    }),
    { selector: each => each.target, maxLength: 6 },
  )
  const tree = (list: readonly { target: number; text: string; guard: string }[]): Files => ({
    'vars.toml': vars,
    'site.steps': list
      .map(({ target, guard }) => {
        const step = `TEMPLATE t/${target} /etc/t${target}`
        return guard === '' ? step : `WHEN ${guard}\n${step}\nEND`
      })
      .join('\n'),
    ...Object.fromEntries(list.map(({ target, text }) => [`t/${target}`, text])),
  })

  test('hosts are told apart as if each were asked for alone', () => {
    fc.assert(
      fc.property(rosters, blocks, blocks, (roster, a, b) => {
        const [before, after] = [tree(a), tree(b)]
        const together = survey({ files: before, roster }, { files: after, roster }).changes
        for (const each of roster) {
          const alone = survey({ files: before, roster: [each] }, { files: after, roster: [each] })
          expect(alone.changes.get(hex(each.key))).toBe(together.get(hex(each.key)))
        }
      }),
    )
  })

  test('neither the order of hosts, of files nor of steps decides who is concerned', () => {
    fc.assert(
      fc.property(rosters, blocks, blocks, fc.array(fc.nat(), { maxLength: 6 }), (roster, a, b, sort) => {
        const shuffled = b
          .map((each, at) => ({ each, by: sort[at] ?? at }))
          .sort((x, y) => x.by - y.by)
          .map(({ each }) => each)
        const plain = survey({ files: tree(a), roster }, { files: tree(b), roster }).changes
        const files = Object.fromEntries(Object.entries(tree(shuffled)).reverse())
        const other = survey({ files: tree(a), roster }, { files, roster: [...roster].reverse() }).changes
        for (const [key, digest] of plain) expect(other.get(key) === undefined).toBe(digest === undefined)
        expect(survey({ files: tree(b), roster }, { files, roster }).lists).toEqual([])
      }),
    )
  })
})
