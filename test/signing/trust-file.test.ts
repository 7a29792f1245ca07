// trust/operators, trust/hosts, trust/policy: what is read and written, and where each problem stands.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concat, text, utf8 } from '../../signing/bytes.ts'
import { keyWord } from '../../signing/keys.ts'
import { maySign, parseOperators, writeOperators } from '../../signing/operators.ts'
import { parsePolicy, writePolicy } from '../../signing/policy.ts'
import { parseAddress, parseRoster, writeRoster } from '../../signing/roster.ts'
import { readTrust, trustObjects } from '../../signing/trust.ts'
import { fileBytesMax, type Parsed, parseLines } from '../../signing/trust-file.ts'
import { anna, bert, files, hosts, operator } from './fleet.ts'

const [a, b] = [keyWord(anna.key), keyWord(bert.key)]
const value = <T>(parsed: Parsed<T>) => (parsed.kind === 'ok' ? parsed.value : parsed.problems)
const problems = (parsed: Parsed<unknown>) =>
  parsed.kind === 'ok' ? [] : parsed.problems.map(each => `${each.line}:${each.column} ${each.message}`)

describe('operators', () => {
  test('are read, with comments, blanks and namespaces', () => {
    const file = `# who may sign\n\nanna ssh-ed25519 ${a} anna's laptop\n  clock  namespaces="fleet-fresh" ssh-ed25519 ${b}\n`
    const operators = [
      { principal: 'anna', namespaces: ['git', 'fleet'], key: anna.key, comment: "anna's laptop" },
      { principal: 'clock', namespaces: ['fleet-fresh'], key: bert.key, comment: '' },
    ]
    expect(value(parseOperators(utf8(file)))).toEqual(operators)
    expect(value(parseOperators(writeOperators(operators)))).toEqual(operators)
    expect(maySign(operators, anna.key, 'git')?.principal).toBe('anna')
    expect(maySign(operators, anna.key, 'fleet-fresh')).toBeUndefined()
    expect(maySign(operators, bert.key, 'fleet')).toBeUndefined()
  })
  test('all problems at once, each with its place', () => {
    const lines = [
      `anna ssh-ed25519 ${a}`,
      `anna ssh-ed25519 ${b}`,
      `bert ssh-ed25519 ${a}`,
      `b!rt ssh-ed25519 ${b}`,
      `bert cert-authority ssh-ed25519 ${b}`,
      `bert namespaces="git" valid-after="2026" ssh-ed25519 ${b}`,
      `bert namespaces="git,git" ssh-ed25519 ${b}`,
      'bert ssh-ed25519 AAAA',
      `bert ssh-rsa ${b}`,
      'bert',
    ]
    expect(problems(parseOperators(utf8(lines.join('\n').concat('\n'))))).toEqual([
      '2:1 found "anna"; expected each principal once',
      expect.stringMatching(/^3:18 .*expected each key once$/),
      expect.stringMatching(/^4:1 found "b!rt"; expected a principal/),
      '5:6 found "cert-authority"; expected namespaces="git,fleet" or ssh-ed25519',
      expect.stringMatching(/^6:23 found "valid-after=.*expected ssh-ed25519$/),
      '7:6 found "namespaces="git,git""; expected each namespace once',
      '8:18 found "AAAA"; expected an Ed25519 public key in Base64',
      '9:6 found "ssh-rsa"; expected ssh-ed25519',
      '10:5 found the end; expected ssh-ed25519',
    ])
  })
})

describe('roster', () => {
  test('is read and written back the same', () => {
    const file = `db ssh-ed25519 ${a} addr=192.0.2.7,[2001:db8::7]:5000,db.example.org role=db zone=a/b:1\nweb1 ssh-ed25519 ${b}\n`
    const parsed = parseRoster(utf8(file))
    expect(value(parsed)).toMatchObject([
      { name: 'db', addresses: ['192.0.2.7', '[2001:db8::7]:5000', 'db.example.org'] },
      { name: 'web1', addresses: [] },
    ])
    if (parsed.kind !== 'ok') throw new Error('expected a roster')
    expect(parsed.value[0]?.labels).toEqual(Object.assign(Object.create(null), { role: 'db', zone: 'a/b:1' }))
    expect(text(writeRoster(parsed.value))).toBe(file)
  })
  test('all problems at once, each with its place', () => {
    const lines = [
      `web1 ssh-ed25519 ${a} role=web role=db`,
      `web1 ssh-ed25519 ${b}`,
      `web2 ssh-ed25519 ${a} addr=1.2.3 addr=1.2.3.4 Role=x empty= role=a"b"`,
      'Web ssh-ed25519',
      'web3 ecdsa-sha2-nistp256 AAAA',
    ]
    const places = problems(parseRoster(utf8(`${lines.join('\n')}\n`))).map(each => each.split(' ')[0])
    expect(places).toEqual(['1:96', '2:1', '3:18', '4:1', '5:6'])
    const long = parseRoster(utf8(`web2 ssh-ed25519 ${a} addr=1.2.3 addr=1.2.3.4 Role=x empty= role=a"b"\n`))
    expect(problems(long).map(each => each.replace(/^.*expected /, ''))).toEqual([
      'IPv4, [IPv6] or a name, each with :PORT when it is not 4747',
      'addr once; several addresses take commas',
      'addr=ADDRESS or label=value',
      'addr=ADDRESS or label=value',
      expect.stringContaining('a value of 1 to 253'),
    ])
  })
  test.each([
    ['192.0.2.7', '192.0.2.7', 4747],
    ['192.0.2.7:80', '192.0.2.7', 80],
    ['[2001:db8::7]', '2001:db8::7', 4747],
    ['[::ffff:192.0.2.7]:1', '::ffff:192.0.2.7', 1],
    ['[::]', '::', 4747],
    ['db-1.example.org:65535', 'db-1.example.org', 65535],
  ])('address %s', (address, host, port) => expect(parseAddress(address)).toEqual({ host, port }))
  test.each([
    '',
    ':80',
    '1.2.3',
    '256.1.1.1',
    '1.2.3.4.5',
    'a:0',
    'a:65536',
    'a:080',
    '::1',
    '[1::2::3]',
    '[:]',
    '[1:2]',
    'a b',
  ])('no address: "%s"', address => expect(parseAddress(address)).toBeUndefined())
})

test('policy', () => {
  expect(value(parsePolicy(utf8('')))).toEqual({ threshold: 1 })
  expect(value(parsePolicy(utf8('# two of us\nthreshold = 2\n')))).toEqual({ threshold: 2 })
  expect(value(parsePolicy(writePolicy({ threshold: 64 })))).toEqual({ threshold: 64 })
  const wrong = 'threshold = 0\nthreshold = 2\nlimit = 3\nthreshold 3\n'
  expect(problems(parsePolicy(utf8(wrong)))).toEqual([
    '1:13 found "0"; expected a number from 1 to 64',
    '2:1 found "threshold"; expected each name once',
    '3:1 found "limit"; expected threshold',
    '4:1 found "threshold"; expected each name once',
  ])
})

test('a file that is no text, too large, or has a line that is too long', () => {
  const parse = (bytes: Uint8Array) => problems(parseLines('f', bytes, null, () => {}))
  expect(parse(Uint8Array.of(255, 10))[0]).toContain('not UTF-8')
  expect(parse(utf8('a'))[0]).toContain('does not end in LF')
  expect(parse(utf8('a\r\n'))[0]).toContain('CR')
  expect(parse(utf8(`x\n${'y'.repeat(5000)}\n`))[0]).toMatch(/^2:1 found a line of 5000 bytes/)
  expect(parse(new Uint8Array(fileBytesMax + 1))[0]).toContain('expected at most 2097152')
})

test('parsers never throw, whatever the bytes', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom('anna ', 'ssh-ed25519 ', a, ' addr=', '\n', '"', 'namespaces="git" ', '=', '#').map(utf8),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const bytes = concat(...pieces)
      for (const parse of [parseOperators, parseRoster, parsePolicy]) parse(bytes)
    }),
    { numRuns: 300 },
  )
})

test('trust is read whole: a threshold that nobody can reach is a problem', () => {
  expect(readTrust(files([operator('anna', anna)], hosts(1)))).toMatchObject({ kind: 'ok' })
  const unreachable = readTrust(
    files([operator('anna', anna), operator('clock', bert, ['fleet-fresh'])], hosts(1), 2),
  )
  expect(problems(unreachable)[0]).toContain('found 1 operators who may sign entries')
  expect(trustObjects(files([], [])).map(each => each.type)).toEqual(['blob', 'blob', 'blob', 'tree', 'tree'])
})
