import fc from 'fast-check'
import { expect, test } from 'vitest'
import { diff, sameStep } from '../../../../node/host/steps/diff.ts'
import type { Step } from '../../../../node/host/steps/step.ts'

const origin = { file: 'site.steps', line: 1, column: 1 }
const payload = { path: 'files/a', sha256: '00', size: 1, executable: false }
const base: Step = {
  verb: 'COPY',
  args: ['f', '/a'],
  options: { mode: '0644' },
  id: 'COPY /a',
  origin,
  payload,
}

test.each<[Partial<Step>, boolean]>([
  [{}, true],
  [{ origin: { ...origin, line: 9, made: 'gen:1:1' } }, true],
  [{ payload: { ...payload, path: 'files/b' } }, true],
  [{ args: ['g', '/a'] }, false],
  [{ args: ['f', '/a', 'x'] }, false],
  [{ options: {} }, false],
  [{ options: { mode: '0600' } }, false],
  [{ options: { mode: '0644', owner: 'x' } }, false],
  [{ payload: { ...payload, sha256: '01' } }, false],
  [{ payload: { ...payload, executable: true } }, false],
])('a step beside one with %j', (change, same) => {
  expect(sameStep(base, { ...base, ...change })).toBe(same)
  expect(sameStep({ ...base, ...change }, base)).toBe(same)
})

const list = fc
  .uniqueArray(fc.record({ key: fc.nat(12), text: fc.nat(2) }), { selector: each => each.key })
  .map(entries =>
    entries.map(
      ({ key, text }): Step => ({
        verb: 'ABSENT',
        args: [`/${key}`, `${text}`],
        options: {},
        id: `${key}`,
        origin: { ...origin, line: text },
      }),
    ),
  )

/** What is in force after the acts of a difference: the machine in one line. */
const after = (a: readonly Step[], { undo, apply }: ReturnType<typeof diff>) => {
  const state = new Map(a.map(step => [step.id, step.args]))
  for (const step of undo) expect(state.delete(step.id)).toBe(true)
  for (const step of apply) state.set(step.id, step.args)
  return state
}

test('a difference leads from any list to any other, and touches nothing that both have', () => {
  fc.assert(
    fc.property(list, list, (a, b) => {
      const there = diff(a, b)
      expect(after(a, there)).toEqual(new Map(b.map(step => [step.id, step.args])))
      for (const step of there.apply) expect(a.some(each => sameStep(each, step))).toBe(false)
      expect(there.apply).toEqual(b.filter(step => there.apply.includes(step)))
      expect(there.undo).toEqual(a.filter(step => there.undo.includes(step)).reverse())
      const ids = ({ undo, apply }: typeof there) => [...undo, ...apply].map(step => step.id).sort()
      expect(ids(diff(b, a))).toEqual(ids(there))
    }),
  )
})

test('a list differs from itself in nothing, from the empty list in all', () => {
  fc.assert(
    fc.property(list, a => {
      expect(diff(a, structuredClone(a))).toEqual({ undo: [], apply: [] })
      expect(diff([], a)).toEqual({ undo: [], apply: a })
      expect(diff(a, [])).toEqual({ undo: a.toReversed(), apply: [] })
    }),
  )
})
