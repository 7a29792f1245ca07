import { describe, expect, test } from 'vitest'
import {
  type Figure,
  groups,
  jsonKeys,
  jsonOf,
  median,
  percentile,
  rounded,
  table,
} from '../../bench/figures.ts'

test.each([
  [[3], 3],
  [[1, 2], 1.5],
  [[9, 1, 5], 5],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %d', (values, expected) => expect(median(values)).toBe(expected))

test.each([
  [[7], 0.5, 7],
  [[1, 2, 3, 4], 0.5, 2],
  [[4, 3, 2, 1], 1, 4],
  [[1, 2, 3, 4], 0, 1],
])('of %j the percentile at %d is %d', (values, share, expected) =>
  expect(percentile(values, share)).toBe(expected),
)

test('of 200 values, two may lie above the 99th percentile', () => {
  const values = Array.from({ length: 200 }, (_, i) => i + 1)
  expect(percentile(values, 0.99)).toBe(198)
})

test('nothing has no median', () => {
  expect(() => median([])).toThrow(RangeError)
  expect(() => percentile([], 0.5)).toThrow(RangeError)
})

test.each([
  [0.12345, 0.123],
  [2.345, 2.35],
  [12.34, 12.3],
  [1234.5, 1235],
])('%d is shown as %d', (value, expected) => expect(rounded(value)).toBe(expected))

describe('--json', () => {
  const keys = [
    'publish_to_last_ms',
    'fresh_5000_vs_cp',
    'audit_5000_ms',
    'repair_p50_ms',
    'repair_p99_ms',
    'start_ms',
    'idle_rss_mb',
    'idle_cpu_pct',
    'peak_rss_mb',
  ]

  test('has exactly its keys, in order', () => {
    expect([...jsonKeys]).toEqual(keys)
    expect(Object.keys(jsonOf({ plan_ms: 1 }))).toEqual(keys)
  })

  test('says null for what was not measured', () => {
    expect(jsonOf({ start_ms: 123.456 })).toMatchObject({ start_ms: 123, idle_rss_mb: null })
  })

  test('has figures with a budget behind each key', () => {
    const budgeted = Object.values(groups)
      .flat()
      .filter(each => each.most !== undefined)
      .map(each => each.name)
    expect(budgeted).toEqual(expect.arrayContaining(keys))
  })
})

describe('the table', () => {
  const figures: readonly Figure[] = [
    { name: 'a', what: 'one', unit: 'ms', most: 5 },
    { name: 'b', what: 'two', unit: 'x', most: 3 },
    { name: 'c', what: 'three', unit: 'MB', most: 9 },
    { name: 'd', what: 'four', unit: '%' },
  ]

  test('puts the budget beside each figure', () => {
    const rows = table(figures, { a: 5, b: 3.001, d: 0.5 }).split('\n').slice(1)
    expect(rows.map(row => row.trim().split(/\s{2,}/))).toEqual([
      ['one', '5 ms', '5 ms', 'met'],
      ['two', '3 x', '3 x', 'MISSED'],
      ['three', '-', '9 MB'],
      ['four', '0.5 %'],
    ])
  })

  test('fits 80 columns', () => {
    const all = Object.values(groups).flat()
    const wide = Object.fromEntries(all.map(each => [each.name, 123456]))
    expect(
      Math.max(
        ...table(all, wide)
          .split('\n')
          .map(line => line.length),
      ),
    ).toBeLessThanOrEqual(80)
  })

  test('names every figure once', () => {
    const names = Object.values(groups).flatMap(each => each.map(figure => figure.name))
    expect(new Set(names).size).toBe(names.length)
  })
})
