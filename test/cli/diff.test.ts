import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { diffText } from '../../cli/diff.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

describe('diffs for people', () => {
  test('a changed line, with its surroundings', () => {
    expect(diffText('/etc/x', bytes('a\nb\nc\n'), bytes('a\nB\nc\n'), false)).toBe(
      '--- /etc/x\n+++ /etc/x\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c',
    )
  })
  test('a new file and a file that goes', () => {
    expect(diffText('/etc/x', undefined, bytes('a\n'), false)).toBe(
      '--- /dev/null\n+++ /etc/x\n@@ -0,0 +1,1 @@\n+a',
    )
    expect(diffText('/etc/x', bytes('a\n'), undefined, false)).toContain('+++ /dev/null')
  })
  test('nothing changed: nothing said', () => expect(diffText('/x', bytes('a'), bytes('a'), false)).toBe(''))
  test('bytes that are no text, or too many, are only counted', () => {
    expect(diffText('/x', bytes('a'), new Uint8Array([0, 1]), false)).toBe('/x: 1 B -> 2 B, not shown')
    expect(diffText('/x', undefined, new Uint8Array(300_000).fill(65), false)).toBe(
      '/x: nothing -> 293.0 KiB, not shown',
    )
    expect(diffText('/x', bytes('a'), new Uint8Array([0xff]), false)).toBe('/x: 1 B -> 1 B, not shown')
  })
  test('colours only where wanted, and never an exception', () => {
    expect(diffText('/x', bytes('a\n'), bytes('b\n'), true)).toContain('\u001b[31m-a')
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), (a, b) => {
        expect(typeof diffText('/x', a, b, false)).toBe('string')
      }),
    )
  })
})
