import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const bin = (name: string) => fileURLToPath(new URL(`../../bin/${name}`, import.meta.url))
let root = ''

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'fleet-bin-'))
  for (const folder of [
    'bin',
    'cli',
    'node',
    'gossip',
    'signing',
    'sim',
    'dist',
    'node_modules/.bin',
    'elsewhere',
  ])
    mkdirSync(join(root, folder), { recursive: true })
  for (const name of ['fleet', 'setup']) cpSync(bin(name), join(root, 'bin', name))
  symlinkSync(process.execPath, join(root, 'node_modules/.bin/node'))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  writeFileSync(join(root, 'package-lock.json'), '{}')
  writeFileSync(join(root, 'cli/main.ts'), "console.log('source', process.argv.slice(2).join(' '))")
  writeFileSync(join(root, 'dist/fleet.js'), "console.log('bundle', process.argv.slice(2).join(' '))")
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const age = (path: string, seconds: number) => {
  const time = new Date(Date.now() - seconds * 1000)
  utimesSync(join(root, path), time, time)
}
const all = ['cli/main.ts', 'cli', 'node', 'gossip', 'signing', 'sim', 'package-lock.json']

describe('bin/fleet', () => {
  test('runs the bundle when it is in step with the sources, from any folder and through a link', () => {
    for (const each of all) age(each, 60)
    symlinkSync('../bin/fleet', join(root, 'elsewhere/f'))
    const said = execFileSync(join(root, 'elsewhere/f'), ['a', 'b c'], { cwd: '/', encoding: 'utf8' })
    expect(said).toBe('bundle a b c\n')
  })

  test('runs the sources when one of them is newer, or when there is no bundle', () => {
    age('dist/fleet.js', 60)
    expect(execFileSync(join(root, 'bin/fleet'), { encoding: 'utf8' })).toBe('source \n')
    rmSync(join(root, 'dist'), { recursive: true })
    expect(execFileSync(join(root, 'bin/fleet'), ['x'], { encoding: 'utf8' })).toBe('source x\n')
  })

  test('with no Node.js that is new enough it says what to do', () => {
    rmSync(join(root, 'node_modules'), { recursive: true })
    const old = join(root, 'elsewhere/node')
    writeFileSync(old, '#!/bin/sh\necho false\n', { mode: 0o755 })
    const ran = spawnSync(join(root, 'bin/fleet'), {
      encoding: 'utf8',
      env: { PATH: `${join(root, 'elsewhere')}:/usr/bin:/bin` },
    })
    expect(ran.status).toBe(1)
    expect(ran.stderr).toContain("needs Node.js 24 or newer; run 'npm ci'")
  })
})

describe('bin/setup', () => {
  test('says so when optional dependencies were left out and Node.js is too old', () => {
    rmSync(join(root, 'node_modules'), { recursive: true })
    mkdirSync(join(root, 'node_modules'))
    cpSync(join(root, 'package-lock.json'), join(root, 'node_modules/.fleet-lock'))
    const old = join(root, 'elsewhere/node')
    writeFileSync(old, '#!/bin/sh\necho false\n', { mode: 0o755 })
    const ran = spawnSync('sh', [join(root, 'bin/setup')], {
      encoding: 'utf8',
      env: { PATH: `${join(root, 'elsewhere')}:/usr/bin:/bin` },
    })
    expect(ran.status).toBe(1)
    expect(ran.stderr).toContain('optional\n  dependencies were left out')
  })
})
