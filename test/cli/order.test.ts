// What the commands that give orders decide before they reach anybody.
import { expect, test } from 'vitest'
import { confirm, needAnswer } from '../../cli/confirm.ts'
import { refuseAlone } from '../../cli/order.ts'
import type { OrderKind } from '../../signing/order.ts'
import { testIo } from './io.ts'

const io = testIo('/')
const asked = (answer: string) => {
  const questions: string[] = []
  const ask = async (question: string) => {
    questions.push(question)
    return answer
  }
  return { io: { ...io, ask }, questions }
}

test.each<[OrderKind, boolean]>([
  ['halt', true],
  ['retry', true],
  ['fresh', true],
  ['resume', false],
  ['promote', false],
])('%s alone, where two operators must sign: %s', (kind, may) => {
  expect(() => refuseAlone(kind, 1)).not.toThrow()
  if (may) expect(() => refuseAlone(kind, 2)).not.toThrow()
  else
    expect(() => refuseAlone(kind, 2)).toThrow(
      `fleet ${kind} needs the signatures of 2 operators (threshold in trust/policy), and collecting them is not possible yet`,
    )
})

test.each([
  ['y', true],
  ['yes', true],
  [' Y ', true],
  ['', false],
  ['n', false],
  ['yesterday', false],
])('the answer %o is yes: %s', async (answer, isYes) => {
  const { io: here, questions } = asked(answer)
  const done = confirm({}, here, ['what it does'], 'do it?')
  if (isYes) await expect(done).resolves.toBeUndefined()
  else await expect(done).rejects.toThrow('nothing was done')
  expect(questions).toEqual(['do it? [y/N] '])
})

test('--yes asks nobody, and without a terminal nothing else helps', async () => {
  const { io: here, questions } = asked('n')
  await confirm({ yes: true }, here, [], 'do it?')
  expect(questions).toEqual([])
  expect(() => needAnswer({ yes: true }, io, 'fleet halt')).not.toThrow()
  expect(() => needAnswer({}, here, 'fleet halt')).not.toThrow()
  expect(() => needAnswer({}, io, 'fleet halt')).toThrow('nobody to ask; nothing was done')
})
