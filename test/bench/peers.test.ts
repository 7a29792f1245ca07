// What each tool is given for the role says every step of it; the runs themselves are the bench's own check.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeRole, type Role, roleFault } from '../../bench/peers-role.ts'
import { ansible, fleet, puppet } from '../../bench/peers-tools.ts'

let dir: string
let role: Role
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fleet-test-'))
  role = makeRole(dir)
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

test('the role has thirty steps', () => expect(role.items).toHaveLength(30))

test.each([
  [fleet('fleet'), 'site.steps', 30],
  [puppet, 'site.pp', 30],
  // One apt task for the five packages; five lines stand before the first task.
  [ansible, 'play.yml', 26 + 5],
] as const)('$name gets all of it', (tool, file, lines) => {
  tool.role!(dir, role)
  const text = readFileSync(join(dir, file), 'utf8')
  expect(text.trimEnd().split('\n')).toHaveLength(lines)
  for (const item of role.items) expect(text).toContain('path' in item ? item.path : item.name)
})

test('a machine without the role is found out', () => expect(roleFault(dir)).toBeDefined())
