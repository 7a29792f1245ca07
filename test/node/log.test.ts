import { expect, test } from 'vitest'
import { createLog } from '../../node/os-log.ts'

test('a line is one JSON object; what is not loud enough is not written; long words are cut', () => {
  const lines: string[] = []
  const log = createLog(
    'warn',
    () => 0,
    line => lines.push(line),
  )
  log('info', 'too quiet')
  log('warn', 'peer talks', { words: 'x'.repeat(5000), peer: 'p' })
  expect(lines).toHaveLength(1)
  const line = JSON.parse(lines[0]!)
  expect(line).toMatchObject({
    time: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    event: 'peer talks',
    peer: 'p',
  })
  expect(line.words).toHaveLength(1025)
})
