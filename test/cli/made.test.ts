import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { spec } from '../../cli/commands/init.ts'
import { allOrNothing, refuseExisting } from '../../cli/made.ts'
import { testIo } from './io.ts'

let folder = ''
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'fleet-made-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('what fails half way leaves nothing behind, and what was there alone', async () => {
  writeFileSync(join(folder, 'mine'), 'mine')
  const failing = allOrNothing(made => {
    made.folder(folder)
    made.file(join(folder, 'a/b/c'), 'x')
    made.file(join(folder, 'a/d'), 'x')
    made.file(join(folder, 'mine'), 'theirs')
  })
  await expect(failing).rejects.toThrow('EEXIST')
  expect(readdirSync(folder)).toEqual(['mine'])
  expect(readFileSync(join(folder, 'mine'), 'utf8')).toBe('mine')
})

test('what is there is named before anything is made', () => {
  writeFileSync(join(folder, 'mine'), 'mine')
  expect(() => refuseExisting(folder, ['other', 'mine'], 'hint')).toThrow(
    'already there, and left alone: mine',
  )
})

test('fleet init: neither a key nor a repository when a file cannot be made', async () => {
  const root = join(folder, 'shop')
  mkdirSync(root)
  // A file where a folder has to be: seen only while the files are made.
  writeFileSync(join(root, 'trust'), '')
  await expect(spec.run(['shop'], {}, testIo(folder))).rejects.toThrow()
  expect(readdirSync(root)).toEqual(['trust'])
  expect(existsSync(join(folder, '.config'))).toBe(false)
})
