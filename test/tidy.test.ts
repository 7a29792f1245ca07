// The rules of the house, as tests: what may import what, what a core may not touch, no dead files, no file that
// has grown a second subject, error codes that are declared, used and documented.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const folders = ['bin', 'bench', 'cli', 'gossip', 'node', 'signing', 'sim', 'test']
const linesMax = 500
/** What has landed before its users. */
const arriving: readonly string[] = []

/** Whom a folder may import from, itself always included. */
const arrows: Record<string, readonly string[]> = {
  signing: [],
  gossip: ['signing'],
  'node/host': [],
  node: ['gossip', 'signing', 'node/host'],
  sim: ['gossip', 'signing', 'node', 'node/host'],
  cli: ['gossip', 'signing', 'node', 'node/host', 'sim'],
  bin: ['cli', 'sim'],
  bench: ['cli', 'gossip', 'signing', 'node', 'node/host', 'sim'],
  test: ['bench', 'cli', 'gossip', 'signing', 'node', 'node/host', 'sim', 'bin'],
}

/** Files named after somebody else's product, loops and mains do IO; all else in these folders is a core. */
const rim =
  /(^|\/)(libp2p|linux|level|git|os)(-[a-z0-9]+)?\.ts$|(^|\/)(apply|driver|foresee|legs|look|main|peer|providers|revert|survey)\.ts$/
const coreFolders = ['signing', 'gossip', 'node', 'node/host']

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

function list(dir: string): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true }).flatMap(entry => {
    const path = join(dir, entry.name)
    if (entry.isDirectory())
      return entry.name === 'node_modules' || entry.name === 'fixtures' ? [] : list(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

const files = folders.filter(folder => existsSync(join(root, folder))).flatMap(list)
const text = new Map(files.map(file => [file, readFileSync(join(root, file), 'utf8')]))
const folderOf = (file: string) => (file.startsWith('node/host/') ? 'node/host' : (file.split('/')[0] ?? ''))
const isRim = (file: string) => rim.test(file)
const isCore = (file: string) => coreFolders.includes(folderOf(file)) && !isRim(file)

/** Source without comments and without the contents of strings; regular expressions stay. */
function bare(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g, found =>
    found.startsWith('/') ? ' ' : "''",
  )
}

function importsOf(file: string): Import[] {
  const source = text.get(file) ?? ''
  const found: Import[] = []
  const pattern =
    /(?:^|\n)\s*(import|export)\s+(type\s)?(?:[^'"]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g
  for (const match of source.matchAll(pattern)) {
    const target = match[3] ?? match[4] ?? ''
    const to = target.startsWith('.') ? normalize(join(dirname(file), target)) : target
    found.push({ from: file, to, typeOnly: match[2] !== undefined })
  }
  return found
}

const imports = files.flatMap(importsOf)
const ours = imports.filter(each => text.has(each.to))

test('every relative import names a file that exists', () => {
  const missing = imports.filter(
    each => /^(bin|bench|cli|gossip|node|signing|sim|test)\//.test(each.to) && !text.has(each.to),
  )
  expect(missing.filter(each => !each.to.endsWith('.json'))).toEqual([])
})

test('imports follow the arrows between folders', () => {
  const wrong = ours.filter(({ from, to }) => {
    const [a, b] = [folderOf(from), folderOf(to)]
    return a !== b && !arrows[a]?.includes(b)
  })
  expect(wrong.map(each => `${each.from} -> ${each.to}`)).toEqual([])
})

test('cores import neither adapters nor loops', () => {
  const wrong = ours.filter(({ from, to, typeOnly }) => isCore(from) && isRim(to) && !typeOnly)
  expect(wrong.map(each => `${each.from} -> ${each.to}`)).toEqual([])
})

describe('cores have no clock, no chance, no IO and nothing asynchronous', () => {
  const banned: [RegExp, string][] = [
    [/\bDate\b(?!\.(parse|UTC)\()/, 'the clock (Date)'],
    [/\bperformance\b/, 'the clock (performance)'],
    [/\bMath\.random\b/, 'chance (Math.random)'],
    [/\bgetRandomValues\b|\brandomBytes\b|\brandomUUID\b/, 'chance (crypto)'],
    [/\basync\b/, 'async'],
    [/\bawait\b/, 'await'],
    [/\bprocess\./, 'process'],
    [/\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, 'timers'],
    [/\bconsole\./, 'console'],
  ]
  for (const file of files.filter(isCore)) {
    test(file, () => {
      const source = bare(text.get(file) ?? '')
      const found = banned.filter(([pattern]) => pattern.test(source)).map(([, name]) => name)
      const builtins = imports
        .filter(each => each.from === file && each.to.startsWith('node:') && !each.typeOnly)
        .map(each => each.to)
        .filter(name => name !== 'node:assert' && !(file === 'signing/crypto.ts' && name === 'node:crypto'))
        .filter(name => !(file === 'node/host/digest.ts' && name === 'node:crypto'))
      expect([...found, ...builtins]).toEqual([])
    })
  }
})

test('no circles of imports', () => {
  const next = new Map<string, string[]>()
  for (const { from, to, typeOnly } of ours) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, trail: string[]) => {
    if (trail.includes(file)) {
      circles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const each of next.get(file) ?? []) visit(each, [...trail, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  expect(circles).toEqual([])
})

test('no dead files: every source is reached from a main, a command or a bench', () => {
  const entries = files.filter(
    file =>
      file.startsWith('test/') ||
      file.startsWith('bin/') ||
      /^(cli|node(\/host)?|sim|bench)\/main\.ts$/.test(file) ||
      // Started as a process of its own.
      file === 'sim/worker.ts',
  )
  const reached = new Set(entries.filter(file => !file.startsWith('test/')))
  const queue = [...reached]
  for (let file = queue.pop(); file !== undefined; file = queue.pop())
    for (const each of ours)
      if (each.from === file && !reached.has(each.to)) {
        reached.add(each.to)
        queue.push(each.to)
      }
  const tested = new Set(ours.filter(each => each.from.startsWith('test/')).map(each => each.to))
  const dead = files.filter(
    file => !reached.has(file) && !arriving.includes(file) && !file.startsWith('test/') && !tested.has(file),
  )
  expect(dead).toEqual([])
})

test('no file outgrows its subject', () => {
  const long = files.map(file => [file, (text.get(file) ?? '').split('\n').length - 1] as const)
  expect(long.filter(([, lines]) => lines > linesMax)).toEqual([])
})

test('every source opens by saying what it decides', () => {
  const silent = files.filter(file => !/^(#!.*\n)?(\/\/|\/\*)/.test(text.get(file) ?? ''))
  expect(silent.filter(file => !file.startsWith('test/'))).toEqual([])
})

test('error codes are declared once, used, and documented', () => {
  const docs = readFileSync(join(root, 'docs/errors.md'), 'utf8')
  const complaints: string[] = []
  const seen = new Map<string, string>()
  for (const file of files.filter(each => /(^|\/)errors\.ts$/.test(each))) {
    for (const match of (text.get(file) ?? '').matchAll(/^ {2}([A-Z][A-Z0-9_]+): /gm)) {
      const code = match[1] ?? ''
      if (seen.has(code)) complaints.push(`${code} is declared in ${seen.get(code)} and in ${file}`)
      seen.set(code, file)
      const used = files.some(
        each => !each.startsWith('test/') && each !== file && (text.get(each) ?? '').includes(`'${code}'`),
      )
      if (!used) complaints.push(`${code} (${file}) is not used`)
      if (!docs.includes(`\`${code}\``)) complaints.push(`${code} (${file}) is not in docs/errors.md`)
    }
  }
  expect(complaints).toEqual([])
  expect(relative(root, join(root, 'docs/errors.md'))).toBe('docs/errors.md')
})
