import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Listener, openListener } from '../../../node/host/linux-listen.ts'

let root: string
let listener: Listener
let events: string[]
let said: string[]
let types: Record<string, number>

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'fleet-listen-'))
  fs.mkdirSync(`${root}/a/b`, { recursive: true })
  events = []
  said = []
  types = {}
  listener = openListener({
    where: path => root + path,
    isTemporary: name => name.startsWith('.fleet-'),
    event: (directory, name) => events.push(`${directory} ${name ?? '?'}`),
    deaf: (directory, why, remote) => said.push(`${directory} ${why}${remote ? ' remote' : ''}`),
    hears: directory => said.push(`${directory} hears`),
    typeOf: real => types[real.slice(root.length)] ?? fs.statfsSync(real).type,
  })
})
afterEach(() => {
  listener.close()
  fs.rmSync(root, { recursive: true })
})

const heard = (event: string) => vi.waitFor(() => expect(events).toContain(event))

test('what happens in a directory is heard, but not the engine’s own temporary files', async () => {
  listener.listen('/a')
  fs.writeFileSync(`${root}/a/.fleet-1`, '')
  fs.writeFileSync(`${root}/a/file`, '')
  await heard('/a file')
  expect(events.filter(each => each.includes('.fleet-'))).toEqual([])
})

test('a directory that is missing is waited for, however deep, and then listened to', async () => {
  listener.listen('/a/x/y/z')
  expect(said).toEqual([])
  fs.mkdirSync(`${root}/a/x`)
  fs.mkdirSync(`${root}/a/x/y`)
  fs.mkdirSync(`${root}/a/x/y/z`)
  await heard('/a/x/y/z ?')
  await vi.waitFor(() => {
    fs.writeFileSync(`${root}/a/x/y/z/file`, `${events.length}`)
    expect(events).toContain('/a/x/y/z file')
  })
})

test('a directory that was moved away and back, or replaced, is found again', async () => {
  listener.listen('/a/b')
  fs.renameSync(`${root}/a/b`, `${root}/a/c`)
  await heard('/a/b b')
  listener.listen('/a/b')
  fs.mkdirSync(`${root}/a/b`)
  await heard('/a/b ?')
  await vi.waitFor(() => {
    fs.writeFileSync(`${root}/a/b/file`, `${events.length}`)
    expect(events).toContain('/a/b file')
  })
})

test('a directory that moved with the one above it shows when asked', () => {
  listener.listen('/a/b')
  expect(listener.stale()).toEqual([])
  fs.renameSync(`${root}/a`, `${root}/old`)
  fs.mkdirSync(`${root}/a/b`, { recursive: true })
  expect(listener.stale()).toEqual(['/a/b'])
  listener.listen('/a/b')
  expect(listener.stale()).toEqual([])
})

test('network file systems are not listened to; it is said once', () => {
  types = { '/a': 0x6969, '/a/b': 0x65735546 }
  for (const directory of ['/a', '/a/b', '/a', '/a/b']) listener.listen(directory)
  expect(said).toEqual(['/a nfs remote', '/a/b fuse remote'])
})

test('a watch that cannot be had is named, and its return', () => {
  const statfs = vi.fn((real: string) => {
    if (real.endsWith('/a')) throw Object.assign(new Error('no watch left'), { code: 'ENOSPC' })
    return 0
  })
  const other = openListener({
    where: path => root + path,
    isTemporary: () => false,
    event: () => {},
    deaf: (directory, why) => said.push(`${directory} ${why}`),
    hears: directory => said.push(`${directory} hears`),
    typeOf: statfs,
  })
  other.listen('/a')
  other.listen('/a')
  other.listen('/a/b')
  statfs.mockReturnValue(0)
  statfs.mockImplementation(() => 0)
  other.listen('/a')
  other.close()
  expect(said).toEqual(['/a ENOSPC', '/a hears'])
})
