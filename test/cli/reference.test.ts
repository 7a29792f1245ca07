import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { indexPage, markdown, pages, terminal } from '../../cli/reference.ts'
import { specs } from '../../node/host/verbs/index.ts'
import { testIo } from './io.ts'

const folder = new URL('../../docs/verbs/', import.meta.url)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')

test('docs/verbs is what the verbs say: else npm run docs', () => {
  const expected = { 'README.md': indexPage(pages()) } as Record<string, string>
  for (const page of pages()) expected[`${page.name}.md`] = markdown(page)
  const found = Object.fromEntries(readdirSync(folder).map(name => [name, read(name)]))
  expect(found, 'docs/verbs is out of date: npm run docs').toEqual(expected)
})

describe.each([...specs.values()])('$name', spec => {
  test('says what a user must know', () => {
    expect(spec.about?.length, 'about').toBeGreaterThan(0)
    for (const text of [...(spec.about ?? []), spec.leaves ?? '', spec.noticed ?? ''])
      expect(text).toMatch(/\.$/)
  })
})

test('a page fits a terminal of 80 columns', () => {
  for (const page of pages())
    for (const line of terminal(page, 80).split('\n'))
      if (!line.startsWith('  ')) expect(line.length, line).toBeLessThanOrEqual(80)
})

test('fleet help lists the verbs, prints one, and names those there are', async () => {
  const { spec } = await import('../../cli/commands/help.ts')
  const text = async (...args: string[]) => (await spec.run(args, {}, testIo('/'))).text()
  expect(await text()).toContain('COPY      Copies a file of the repository.')
  expect(await text('copy')).toContain('Options:\n  mode=       Default 0644')
  expect(await text('WHEN')).toContain('  WHEN label.role=web fact.os.id=debian,ubuntu')
  await expect(text('plan')).rejects.toThrow("there is no verb 'plan'")
})
