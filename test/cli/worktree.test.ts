import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { readWorktree } from '../../cli/worktree.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'

const files = 120
let root: string
const sums = () => join(root, '.git/fleet/sums.json')
const path = (number: number) => join(root, `f${number}`)

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'fleet-test-'))
  execFileSync('git', ['init', '-q', root])
  for (let i = 0; i < files; i++) fs.writeFileSync(path(i), `one ${i}\n`)
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

/** Reads until digests are kept: not those of files that changed a moment ago. */
async function remembered() {
  return vi.waitFor(async () => {
    const found = await readWorktree(root)
    expect(Object.keys(JSON.parse(fs.readFileSync(sums(), 'utf8')).sums)).toHaveLength(files)
    return found
  })
}

test('a second look reads no file, and says the same', async () => {
  const first = await remembered()
  const read = vi.spyOn(fs, 'openSync')
  const second = await readWorktree(root)
  expect(read.mock.calls.filter(([each]) => String(each).startsWith(join(root, 'f')))).toEqual([])
  read.mockRestore()
  expect([...second.keys()]).toEqual([...first.keys()])
  for (const [name, file] of second) {
    expect(file.sha256).toBe(first.get(name)!.sha256)
    expect(hex(sha256(file.bytes))).toBe(file.sha256)
    expect(file.size).toBe(file.bytes.length)
  }
})

test('an edit of the same size and modification time is seen', async () => {
  await remembered()
  const { atime, mtime } = fs.statSync(path(3))
  fs.writeFileSync(path(3), 'two 3\n')
  fs.utimesSync(path(3), atime, mtime)
  const found = await readWorktree(root)
  expect(found.get('f3')!.sha256).toBe(hex(sha256(utf8('two 3\n'))))
})

test.each(['', '{', '{"version":9,"sums":{}}', '{"version":1}', '{"version":1,"sums":null}', '[]'])(
  'kept digests that read %j count for nothing',
  async text => {
    await remembered()
    fs.writeFileSync(sums(), text)
    const found = await readWorktree(root)
    expect(found.size).toBe(files)
    expect(found.get('f7')!.sha256).toBe(hex(sha256(utf8('one 7\n'))))
  },
)

test('an execute bit and a link are seen, what is deleted is not', async () => {
  await remembered()
  fs.chmodSync(path(1), 0o755)
  fs.rmSync(path(2))
  fs.symlinkSync('f1', join(root, 'link'))
  const found = await readWorktree(root)
  expect(found.get('f1')!.mode).toBe('100755')
  expect(found.has('f2')).toBe(false)
  expect(new TextDecoder().decode(found.get('link')!.bytes)).toBe('f1')
})
