// What a package manager puts beside a managed file becomes the original that comes back.
import * as fs from 'node:fs'
import { beforeEach, expect, test, vi } from 'vitest'
import type { Engine } from '../../../node/host/main.ts'
import { about, copy, type Ground, ground, line, payloads } from './ground.ts'

let here: Ground
let engine: Engine

beforeEach(async () => {
  here = ground()
  here.fill({ '/etc/conf': 'package 1\n', '/etc/lined': 'one\n' })
  fs.chmodSync(`${here.root}/etc/conf`, 0o640)
  engine = here.open()
  const steps = [copy('/etc/conf', 'declared\n'), copy('/etc/new', 'new\n'), line('/etc/lined', 'two')]
  await engine.run(steps, about('1'), payloads)
})

const files = () => fs.readdirSync(`${here.root}/etc`).sort()

for (const suffix of ['.dpkg-dist', '.ucf-dist', '.rpmnew'])
  test(`${suffix} beside a file whose original is saved: adopted, and comes back on undo`, async () => {
    here.fill({ [`/etc/conf${suffix}`]: 'package 2\n' })
    fs.chmodSync(`${here.root}/etc/conf${suffix}`, 0o600)
    await engine.audit(payloads)
    expect(files()).toEqual(['conf', 'lined', 'new'])
    expect(here.read('/etc/conf')).toBe('declared\n')
    expect(fs.readdirSync(`${here.state}/saved`)).toHaveLength(1)
    engine.close()
    engine = here.open()
    await engine.recover()
    const { dirty, kind } = await engine.run([], about('2'), payloads)
    expect([dirty, kind]).toEqual([[], 'applied'])
    expect(here.read('/etc/conf')).toBe('package 2\n')
    expect(fs.statSync(`${here.root}/etc/conf`).mode & 0o777).toBe(0o600)
    expect(files()).toEqual(['conf', 'lined'])
  })

test('beside a file that was not there before, or of which one line is ours: left alone', async () => {
  here.fill({ '/etc/new.dpkg-dist': 'theirs', '/etc/lined.dpkg-dist': 'theirs', '/etc/other.dpkg-dist': 'x' })
  here.fill({ '/etc/conf.dpkg-new': 'not yet configured' })
  await engine.audit(payloads)
  expect(files()).toEqual([
    'conf',
    'conf.dpkg-new',
    'lined',
    'lined.dpkg-dist',
    'new',
    'new.dpkg-dist',
    'other.dpkg-dist',
  ])
})

test('a directory of that name is nobody’s configuration file', async () => {
  here.fill({ '/etc/conf.dpkg-dist/': '' })
  await engine.audit(payloads)
  await engine.run([], about('2'), payloads)
  expect(here.read('/etc/conf')).toBe('package 1\n')
})

test('the watch adopts what comes while it listens', async () => {
  const watch = engine.watch(payloads, () => {})
  await engine.audit(payloads)
  here.fill({ '/etc/conf.dpkg-dist': 'package 2\n' })
  await vi.waitFor(() => expect(files()).toEqual(['conf', 'lined', 'new']), { timeout: 5000 })
  watch.close()
  await engine.run([], about('2'), payloads)
  expect(here.read('/etc/conf')).toBe('package 2\n')
})
