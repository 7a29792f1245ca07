// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkRoster, formatRosterProblem } from '../../../../node/host/steps/check-roster.ts'
import { declare, readDeclaration } from '../../../../node/host/steps/declare.ts'
import { includesMax } from '../../../../node/host/steps/limits.ts'
import { formatProblem } from '../../../../node/host/steps/problem.ts'
import type { Host, RosterHost } from '../../../../node/host/steps/scope.ts'
import type { Step } from '../../../../node/host/steps/step.ts'
import { repository, roster, web1 } from './repository.ts'

const of = (content: Record<string, string>, host: Host = web1) =>
  declare({ ...repository(content), host, roster })
const line = ({ verb, args, options }: Step) =>
  [
    verb,
    ...args,
    ...Object.entries(options).map(([name, value]) => (value ? `${name}=${value}` : name)),
  ].join(' ')
const steps = (content: Record<string, string>, host: Host = web1) => {
  const declared = of(content, host)
  expect(declared.problems.map(formatProblem)).toEqual([])
  expect(declared.needs).toEqual([])
  return declared.steps.map(line)
}
const problems = (content: Record<string, string>, host: Host = web1) =>
  of(content, host).problems.map(formatProblem)

test('a step knows its identity, its origin and its payload', () => {
  const { steps } = of({ 'site.steps': '#@ fleet.ts:4:1\n  COPY f /etc/f', 'f!': 'abc' })
  expect(steps).toEqual([
    {
      verb: 'COPY',
      args: ['f', '/etc/f'],
      options: {},
      id: 'COPY /etc/f',
      origin: { file: 'site.steps', line: 2, column: 3, made: 'fleet.ts:4:1' },
      payload: {
        path: 'f',
        sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
        size: 3,
        executable: true,
      },
    },
  ])
})

describe('INCLUDE', () => {
  test('puts steps in its place, and files may be included twice', () => {
    const content = {
      'site.steps': 'MKDIR /a\nINCLUDE b.steps\nABSENT /c\nWHEN label.role=db\nINCLUDE b.steps\nEND',
      'b.steps': 'ABSENT /b',
    }
    expect(steps(content)).toEqual(['MKDIR /a', 'ABSENT /b', 'ABSENT /c'])
    expect(of(content).steps[1]?.origin).toEqual({ file: 'b.steps', line: 1, column: 1 })
  })
  test('reports what is wrong in files that a guard leaves out', () => {
    const content = { 'site.steps': 'WHEN label.role=db\nINCLUDE b.steps\nEND\nNOPE', 'b.steps': '\nNOPE' }
    expect(problems(content).map(each => each.slice(0, 15))).toEqual(['site.steps:4:1:', 'b.steps:2:1: fo'])
  })
  test('refuses circles, missing files and floods', () => {
    expect(problems({ 'site.steps': 'INCLUDE a', a: 'INCLUDE b', b: '\n INCLUDE a' })).toEqual([
      'b:2:10: found a circle: site.steps -> a -> b -> a; expected files that do not include themselves',
    ])
    expect(problems({ 'site.steps': 'INCLUDE a' })[0]).toContain(
      'site.steps:1:9: found "a"; expected a steps file',
    )
    expect(problems({})[0]).toContain('site.steps:1:1: found no such file')
    const flood = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`${n}`, `INCLUDE ${n + 1}\n`.repeat(3)]),
    )
    const found = problems({ 'site.steps': 'INCLUDE 0', ...flood, 20: '' })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(`found more than ${includesMax} INCLUDE`)
  })
})

describe('WHEN', () => {
  const given = (test: string, host: Host = web1) =>
    steps(
      {
        'site.steps': `WHEN ${test}\nABSENT /x\nEND`,
        'vars.toml': '[default]\non = "yes"\n[host.other]\noff = 1',
      },
      host,
    ).length === 1
  test.each([
    ['label.role=web', true],
    ['label.role=db,web', true],
    ['label.role=db', false],
    ['label.role!=db', true],
    ['label.role!=db,web', false],
    ['label.role=web fact.os.id=rhel', false],
    ['label.role=web fact.os.id=debian,ubuntu', true],
    ['host.name=web1', true],
    ['var.on=yes', true],
    ['var.off=1', false],
    ['label.none=x', false],
    ['label.none!=x', true],
    ['fact.kernel=x', false],
    ['label.constructor!=x', true],
  ])('%s: %s', (test, expected) => {
    expect(given(test)).toBe(expected)
  })
  test('nests', () => {
    const text = `WHEN label.role=%\nABSENT /a\nWHEN label.dc=fra\nABSENT /b\nEND\nABSENT /c\nEND\nABSENT /d`
    expect(steps({ 'site.steps': text.replace('%', 'web') })).toHaveLength(4)
    expect(steps({ 'site.steps': text.replace('%', 'db') })).toEqual(['ABSENT /d'])
  })
  test('refuses a variable that nobody has', () => {
    expect(problems({ 'site.steps': 'WHEN var.none=x\nEND' })[0]).toContain('site.steps:1:6: found var.none')
  })
})

describe('TREE', () => {
  const files = {
    'files/n/b': '1',
    'files/n/a/x!': '2',
    'files/n/a-b': '3',
    'files/n/l': '-> ../to',
    'files/nn': '',
  }
  test('makes directories, copies and links in the order of bytes', () => {
    expect(steps({ 'site.steps': 'TREE files/n /etc/nginx owner=www-data mode=0640', ...files })).toEqual([
      'MKDIR /etc/nginx owner=www-data',
      'MKDIR /etc/nginx/a owner=www-data',
      'COPY files/n/a-b /etc/nginx/a-b mode=0640 owner=www-data',
      'COPY files/n/a/x /etc/nginx/a/x mode=0640 owner=www-data',
      'COPY files/n/b /etc/nginx/b mode=0640 owner=www-data',
      'LINK /etc/nginx/l ../to owner=www-data',
    ])
  })
  test('leaves base directories to the system', () => {
    expect(steps({ 'site.steps': 'TREE t /etc', 't/default/x': '', 't/new/y': '' })).toEqual([
      'COPY t/default/x /etc/default/x',
      'MKDIR /etc/new',
      'COPY t/new/y /etc/new/y',
    ])
    expect(steps({ 'site.steps': 'TREE t /etc/cron.d exclusive ignore=.placeholder', 't/x': '' })).toEqual([
      'MKDIR /etc/cron.d mode=keep owner=keep group=keep exclusive ignore=.placeholder',
      'COPY t/x /etc/cron.d/x',
    ])
  })
  test('shares directories with other trees and with an earlier MKDIR', () => {
    const content = { 'a/d/x': '', 'b/d/y': '' }
    expect(
      steps({ 'site.steps': 'MKDIR /srv/a mode=0700\nTREE a /srv/a\nTREE b /srv/a', ...content }),
    ).toEqual(['MKDIR /srv/a mode=0700', 'MKDIR /srv/a/d', 'COPY a/d/x /srv/a/d/x', 'COPY b/d/y /srv/a/d/y'])
    expect(problems({ 'site.steps': 'TREE a /srv/a\nTREE b /srv/a owner=mail', ...content })[0]).toContain(
      'site.steps:2:1: found /srv/a declared again, first at site.steps:1:1',
    )
  })
  test.each([
    ['TREE files/none /srv/x', '1:6: found "files/none"; expected a folder of the repository'],
    ['TREE files/n/b /srv/x', '1:6: found "files/n/b"; expected a folder; it is a file: COPY'],
    ['COPY files/n /srv/x', '1:6: found "files/n"; expected a file; it is a folder: TREE'],
    ['COPY files/n/l /srv/x', '1:6: found "files/n/l"; expected a file; it is a symbolic link'],
    ['TEMPLATE files/m /srv/x', '1:10: found "files/m"; expected a file of the repository'],
  ])('%s is refused', (text, expected) => {
    expect(problems({ 'site.steps': text, ...files })[0]).toContain(expected)
  })
})

describe('variables', () => {
  const vars = '[default]\nname = "motd"\nnl = "a\\nb"\nup = ".."\n[host.db1]\nother = 1'
  test('are put into arguments, options and templates', () => {
    const declared = of({
      'site.steps': 'TEMPLATE t /etc/${var.name} mode=0644\nLINE /etc/hosts "$${x} ${hosts.role=db.address}"',
      'vars.toml': vars,
      t: 'I am ${host.name} (${host.address}), ${label.role}, ${fact.os.id}: ${var.nl}\n$${literal}',
    })
    expect(declared.problems).toEqual([])
    expect(declared.steps.map(line)).toEqual([
      'TEMPLATE t /etc/motd mode=0644',
      'LINE /etc/hosts ${x} 10.0.0.2 10.0.0.3',
    ])
    const { payload } = declared.steps[0]!
    const text = 'I am web1 (10.0.0.1), web, debian: a\nb\n${literal}'
    expect(new TextDecoder().decode(declared.rendered.get(payload!.sha256))).toBe(text)
    expect(payload).toMatchObject({ path: 't', size: text.length, executable: false })
  })
  test.each([
    ['ABSENT /${var.nam}', '1:8: found var.nam, which has no value; expected var.name'],
    ['ABSENT /${var.other}', '1:8: found var.other, which has no value'],
    ['ABSENT /${label.none}', '1:8: found label.none'],
    ['ABSENT /${fact.kernel}', '1:8: found fact.kernel, which the host does not report'],
    ['ABSENT /${hosts.role=x.name}', '1:8: found hosts.role=x'],
    ['ABSENT /a/${var.up}', '1:8: found "/a/.."; expected a path without'],
    ['LINE /etc/f ${var.nl}', '1:13: found a value with a newline'],
    ['MKDIR /a mode=${var.name}', '1:10: found "motd"; expected three or four octal digits'],
    ['RUN "a ${var.pipe}"', '1:1: found | outside quotes'],
  ])('%s is refused', (text, expected) => {
    const found = problems({ 'site.steps': text, 'vars.toml': `${vars}\n[label.role.web]\npipe = "| b"` })
    expect(found).toHaveLength(1)
    expect(found[0]).toContain(`site.steps:${expected}`)
  })
  test('in a template have the place of the template', () => {
    expect(problems({ 'site.steps': 'TEMPLATE t /etc/t', t: 'a\nä ${var.x} ${' })).toEqual([
      expect.stringContaining('t:2:3: found var.x'),
      expect.stringContaining('t:2:12: found an unfinished variable'),
    ])
  })
})

test('a file that an option names is checked, and is the payload', () => {
  const key = `ssh-ed25519 ${btoa(`\0\0\0\x0bssh-ed25519\0\0\0\x20${'\0'.repeat(32)}`)}\n`
  const site = { 'site.steps': 'USER deploy keys=k' }
  expect(of({ ...site, k: key }).steps[0]?.payload).toMatchObject({ path: 'k', size: key.length })
  expect(problems({ ...site, k: `# x\n${key}ssh-ed25519 AAAA\n` })).toEqual([
    expect.stringContaining('k:3:1: found ssh-ed25519 with a key that is cut'),
  ])
  expect(problems(site)).toEqual([expect.stringContaining('site.steps:1:13: found "k"; expected a file')])
  const { files } = repository({ ...site, k: key })
  const text = (path: string) => (path === 'site.steps' ? site[path] : path === 'vars.toml' ? '' : undefined)
  expect(declare({ files, text, host: web1, roster }).needs).toEqual(['k'])
})

test('files are asked for until they are there', () => {
  const full = repository({
    'site.steps': 'INCLUDE a\nTEMPLATE t /etc/t',
    a: 'TREE d /etc/d',
    t: '',
    'd/l': '-> x',
    'vars.toml': '',
  })
  const loaded = new Set<string>()
  const text = (path: string) => (loaded.has(path) ? full.text(path) : undefined)
  const rounds: (readonly string[])[] = []
  for (;;) {
    const { needs, steps } = declare({ files: full.files, text, host: web1, roster })
    if (needs.length === 0) {
      expect(steps).toHaveLength(3)
      break
    }
    expect(steps).toEqual([])
    rounds.push(needs)
    for (const path of needs) loaded.add(path)
  }
  expect(rounds).toEqual([['site.steps', 'vars.toml'], ['a', 't'].toSorted(), ['d/l']])
})

describe('open facts', () => {
  const open: Host = { ...web1, facts: undefined }
  test('leave both ways open, and one path to each', () => {
    const text =
      'WHEN fact.os.id=debian label.role=web\nABSENT /x\nEND\nWHEN fact.os.id!=debian\nABSENT /x\nEND'
    const declared = of({ 'site.steps': text }, open)
    expect(declared.problems).toEqual([])
    expect(declared.steps.map(step => step.id)).toEqual([
      'ABSENT /x WHEN fact.os.id=debian',
      'ABSENT /x WHEN fact.os.id!=debian',
    ])
    expect(problems({ 'site.steps': text.replace('!=', '=arch,') }, open)[0]).toContain('/x declared again')
  })
  test('stay in values as they are written', () => {
    const declared = of(
      { 'site.steps': 'TEMPLATE t /etc/${fact.arch} owner=${fact.os.id}', t: '${fact.arch}' },
      open,
    )
    expect(declared.problems).toEqual([])
    expect(declared.steps[0]?.args[1]).toBe('/etc/${fact.arch}')
    expect(new TextDecoder().decode([...declared.rendered.values()][0])).toBe('${fact.arch}')
  })
})

describe('a roster', () => {
  const found = (content: Record<string, string>, hosts: readonly RosterHost[] = roster) => {
    const { problems, needs } = checkRoster(readDeclaration(repository(content)), hosts)
    expect(needs).toEqual([])
    return problems.map(formatRosterProblem)
  }
  test('has each problem once, with its hosts', () => {
    const text = 'ABSENT /${var.x}\nWHEN label.role=db\nCOPY none /etc/x\nEND'
    expect(found({ 'site.steps': text, 'vars.toml': '[host.web9]\na = 1' })).toEqual([
      expect.stringMatching(/^site\.steps:1:8: found var\.x.*table of a label or of the host$/),
      expect.stringMatching(/^site\.steps:3:6: found "none".* \(on db1, db2\)$/),
      'vars.toml:1:1: found [host.web9]; expected a host of the roster',
    ])
  })
  test('of hosts that are alike is looked at once, unless they are asked who they are', () => {
    const twins = ['a', 'b'].map(name => ({ name, labels: { role: 'x' }, address: '10.0.0.1' }))
    expect(found({ 'site.steps': 'COPY none /etc/x' }, twins)).toHaveLength(1)
    expect(found({ 'site.steps': 'WHEN host.name=b\nCOPY none /etc/x\nEND' }, twins)).toEqual([
      expect.stringMatching(/ \(on b\)$/),
    ])
    const vars = '[host.b]\nx = "/proc"\n[default]\nx = "/etc"'
    expect(found({ 'site.steps': 'ABSENT ${var.x}/y', 'vars.toml': vars }, twins)).toEqual([
      expect.stringMatching(/ \(on b\)$/),
    ])
  })
  test('has a step somewhere for every trigger', () => {
    const text = 'RUN a on=/etc/x,/srv\nWHEN label.role=%\nMKDIR /srv/a\nABSENT /etc/x\nEND'
    expect(found({ 'site.steps': text.replace('%', 'db') })).toEqual([])
    expect(found({ 'site.steps': text.replace('%', 'none') })).toEqual([
      expect.stringContaining('site.steps:1:1: found on=/etc/x, but no step changes it'),
      expect.stringContaining('site.steps:1:1: found on=/srv, but no step changes it'),
    ])
  })
  test('may be empty', () => {
    expect(found({ 'site.steps': 'ABSENT /x' }, [])).toEqual([])
    expect(found({ 'site.steps': 'NOPE' }, [])).toHaveLength(1)
  })
})

test('declaring never throws', () => {
  const piece = fc.constantFrom(
    ...['TREE d /srv/d', 'TEMPLATE t /etc/${var.x}', 'WHEN label.role=web,db', 'WHEN fact.arch!=x', 'END'],
    ...[
      'INCLUDE t',
      'INCLUDE site.steps',
      'LINE /etc/a "${',
      'RUN "a ${hosts.role=db.name}"',
      'ABSENT /srv/d/x',
      '#@ x',
    ],
  )
  const text = fc.array(fc.oneof(piece, fc.string())).map(lines => lines.join('\n'))
  fc.assert(
    fc.property(text, text, fc.boolean(), (site, t, closed) => {
      const content = { 'site.steps': site, t, 'd/x': '', 'd/l': '-> x' }
      const declared = of(content, closed ? web1 : { ...web1, facts: undefined })
      expect(declared.needs).toEqual([])
      expect(new Set(declared.steps.map(step => step.id)).size).toBe(declared.steps.length)
    }),
  )
})
