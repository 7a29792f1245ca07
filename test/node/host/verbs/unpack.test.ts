import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { Act } from '../../../../node/host/act.ts'
import { describe as words } from '../../../../node/host/describe.ts'
import { openMachine } from '../../../../node/host/linux.ts'
import type { Step } from '../../../../node/host/steps/step.ts'
import { planUnpack } from '../../../../node/host/verbs/unpack.ts'
import { declaredPaths, openView } from '../../../../node/host/view.ts'
import { ground, step } from '../ground.ts'
import { tar } from '../tars.ts'

const app = (version: string) =>
  tar(
    { name: 'app/bin/run', mode: 0o755, content: `echo ${version}\n` },
    { name: 'app/bin/same', type: '1', link: 'app/bin/run' },
    { name: 'app/latest', type: '2', link: 'bin/run' },
  )

/** A machine with one archive, and UNPACK done as the engine does it. */
function host() {
  const at = ground()
  fs.mkdirSync(at.state, { recursive: true })
  fs.mkdirSync(`${at.root}/srv`)
  const machine = openMachine(at.root, at.state)
  const ask = (declared: Step) => {
    machine.settle()
    return planUnpack(
      declared,
      openView(machine, declaredPaths([]), () => false),
    )
  }
  const archive = (bytes: Uint8Array, options = {}): Step => {
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    fs.writeFileSync(`${at.state}/${sha256}`, bytes)
    const made = step('UNPACK', ['files/app.tar.gz', '/srv/app'], { strip: '1', ...options })
    return { ...made, payload: { path: 'files/app.tar.gz', sha256, size: bytes.length, executable: false } }
  }
  const perform = async (declared: Step) => {
    const acts = ask(declared) as readonly Act[]
    for (const act of acts)
      if (act.kind === 'unpack') {
        const { path, payload, strip, ownership } = act
        await machine.unpack(payload.sha256, path, { digest: payload.sha256, strip, ownership })
      } else if (act.kind === 'mkdir') machine.mkdir(act.path, act.ownership)
      else if (act.kind === 'remove') machine.removeTree(act.path)
      else if (act.kind === 'link') {
        machine.symlink(`${act.path}.new`, act.target, act.ownership)
        machine.rename(`${act.path}.new`, act.path)
      }
    return acts.map(words)
  }
  return { ...at, machine, ask, archive, perform }
}

test.each([
  ['plain', (bytes: Uint8Array) => bytes],
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
  ['xz', (input: Uint8Array) => execFileSync('xz', ['-c'], { input })],
  ['bzip2', (input: Uint8Array) => execFileSync('bzip2', ['-c'], { input })],
] as [string, (bytes: Uint8Array) => Uint8Array][])(
  '%s becomes a version and the current one',
  async (_, pack) => {
    const { archive, perform, ask, root, machine } = host()
    const first = archive(pack(app('1')), { version: '1' })
    expect(await perform(first)).toEqual([
      expect.stringMatching(/^make directory \/srv\/app /),
      'unpack files/app.tar.gz to /srv/app/1',
      'link /srv/app/current -> 1',
    ])
    expect(execFileSync('sh', [`${root}/srv/app/current/latest`], { encoding: 'utf8' })).toBe('1\n')
    expect(fs.statSync(`${root}/srv/app/1/bin/run`)).toMatchObject({ nlink: 2, mtimeMs: 1_700_000_000_000 })
    expect(ask(first)).toEqual([])
    machine.close()
  },
)

test('older versions stay until there are more than keep=, and going back is a link', async () => {
  const { archive, perform, root } = host()
  const versions = ['1', '2', '3', '4'].map(version => archive(app(version), { version, keep: '1' }))
  for (const [index, each] of versions.entries()) {
    await perform(each)
    // The order in which they came is told by the clock of the file system.
    fs.utimesSync(`${root}/srv/app/${index + 1}/.fleet-unpacked`, index, index)
  }
  expect(fs.readdirSync(`${root}/srv/app`)).toEqual(['3', '4', 'current'])
  expect(await perform(versions[2]!)).toEqual(['link /srv/app/current -> 3'])
})

test('an edit, a stranger or a loss inside is unpacked anew; what is not ours is refused', async () => {
  const { archive, perform, ask, root } = host()
  const declared = archive(app('1'))
  await perform(declared)
  const place = `/srv/app/${declared.payload!.sha256.slice(0, 12)}`
  const again = [`remove ${place}`, `unpack files/app.tar.gz to ${place}`]
  const edits: ((at: string) => void)[] = [
    at => fs.appendFileSync(`${at}/bin/run`, 'x'),
    at => fs.writeFileSync(`${at}/bin/new`, ''),
    at => fs.chmodSync(`${at}/bin`, 0o700),
    at => fs.rmSync(`${at}/latest`),
    at => fs.rmSync(`${at}/.fleet-unpacked`),
  ]
  for (const edit of edits.slice(0, -1)) {
    edit(root + place)
    expect(await perform(declared)).toEqual(again)
    expect(ask(declared)).toEqual([])
  }
  edits.at(-1)!(root + place)
  expect(ask(declared)).toMatchObject({ code: 'WRONG_TYPE', path: place })
})

test('a damaged or unsafe archive is named and touches nothing else', async () => {
  const { archive, machine } = host()
  const unpack = (bytes: Uint8Array) => {
    const { payload } = archive(bytes)
    const ownership = { mode: 0o755, uid: undefined, gid: undefined }
    return machine.unpack(payload!.sha256, '/srv/x', { digest: payload!.sha256, strip: 0, ownership }).then(
      () => 'fine',
      error => {
        machine.removeTree('/srv/x')
        return error.reason?.code ?? String(error)
      },
    )
  }
  const through = tar({ name: 'a', type: '2', link: 'b' }, { name: 'a/c', content: 'x' })
  expect(await unpack(through)).toBe('ARCHIVE_UNSAFE')
  expect(await unpack(tar({ name: 'a' }, { name: 'a' }))).toBe('ARCHIVE_UNSAFE')
  expect(await unpack(tar({ name: 'a', type: '1', link: 'b' }))).toBe('ARCHIVE_UNSAFE')
  expect(await unpack(gzipSync(app('1')).subarray(0, 60))).toBe('ARCHIVE_DAMAGED')
  expect(await unpack(execFileSync('xz', ['-c'], { input: app('1') }).subarray(0, 60))).toBe(
    'ARCHIVE_DAMAGED',
  )
  expect(await unpack(Buffer.from('PK\x03\x04 a zip'))).toBe('ARCHIVE_DAMAGED')
})
