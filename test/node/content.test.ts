// The content digest: exactly the records of docs/formats.md section 5.
import { expect, test } from 'vitest'
import { contentDigest, isTrust } from '../../node/content.ts'
import type { FileInfo } from '../../node/ports.ts'
import { hex, utf8 } from '../../signing/bytes.ts'
import { sha256 } from '../../signing/crypto.ts'

const info = (mode: FileInfo['mode'], text: string) => ({
  mode,
  sha256: hex(sha256(utf8(text))),
  size: text.length,
})
const a = ['a', info('100755', 'one')] as const
const link = ['b/link', info('120000', '../a')] as const
const roster = ['trust/hosts', info('100644', '# nobody\n')] as const

test('one record a file: mode, digest, size, path, NUL', () => {
  const record = `100755 ${a[1].sha256} 3 a\0` + `120000 ${link[1].sha256} 4 b/link\0`
  expect(contentDigest(new Map<string, FileInfo>([a, link]))).toBe(hex(sha256(utf8(record))))
})

test('trust/ is left out, a file named trust is not', () => {
  expect(contentDigest(new Map<string, FileInfo>([a, roster]))).toBe(contentDigest(new Map([a])))
  expect([isTrust('trust/hosts'), isTrust('trust'), isTrust('a/trust/hosts')]).toEqual([true, false, false])
})
