// docs/simulator.md says what sim/faults.ts says, and its example is a scenario.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { type FaultKindSpec, faultKinds } from '../../sim/faults.ts'
import { exitCodes } from '../../sim/report.ts'
import { readScenario } from '../../sim/scenario.ts'

const page = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')

test('it lists every kind of fault, and no other', () => {
  const kinds: [string, FaultKindSpec][] = Object.entries(faultKinds)
  const rows = kinds.map(([kind, { class: of, lasts, amount = '', modes = [], text }]) =>
    ['', of, `\`${kind}\``, lasts ? 'lasts' : 'moment', amount, modes.join(', '), text, '']
      .join(' | ')
      .trim(),
  )
  expect(page.split('\n').filter(each => /^\| \w+ \| `/.test(each))).toEqual(rows)
})

test('it lists the exit codes', () => {
  for (const [ending, code] of Object.entries(exitCodes)) expect(page).toContain(`\n| ${code} | ${ending} | `)
})

test('its example is a scenario', () => {
  const example = /```json\n([^`]+)```/.exec(page)?.[1] ?? ''
  expect(readScenario(example, 'example').problems).toBeUndefined()
})
