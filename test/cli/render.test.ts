import { describe, expect, test } from 'vitest'
import { count, duration, paint, short, size, table } from '../../cli/render.ts'

describe('render', () => {
  test('a table lines up, colours do not count as width', () => {
    const red = paint('FAILED', 'red', true)
    const lines = table(
      ['HOST', 'STATE', 'WHY'],
      [
        ['web1', red, 'x'],
        ['database-17', 'HEALTHY', ''],
      ],
      80,
    ).split('\n')
    expect(lines[0]).toBe('HOST         STATE    WHY')
    expect(lines[1]).toBe(`web1         ${red}   x`)
    expect(lines[2]).toBe('database-17  HEALTHY')
  })

  test('a table never exceeds its columns: the widest column is cut and says so', () => {
    const lines = table(['PATH', 'WHY'], [['/etc/x', 'w'.repeat(200)]], 40).split('\n')
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(40)
    expect(lines[1]).toMatch(/w…$/)
  })

  test.each([
    [12, '12 ms'],
    [3_000, '3 s'],
    [119_000, '119 s'],
    [7_000_000, '117 min'],
    [90_000_000, '25 h'],
    [400_000_000, '5 d'],
  ])('%d ms is %s', (ms, text) => expect(duration(ms)).toBe(text))

  test('sizes, ids, counts', () => {
    expect([size(12), size(2048), size(5 * 1024 ** 2)]).toEqual(['12 B', '2.0 KiB', '5.0 MiB'])
    expect(short('0123456789abcdef')).toBe('0123456789')
    expect([count(1, 'host'), count(0, 'host')]).toEqual(['1 host', '0 hosts'])
    expect(paint('x', 'red', false)).toBe('x')
  })
})
