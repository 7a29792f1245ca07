// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the language's own variables
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { facts } from '../../../../node/host/steps/facts.ts'
import { compile, readReference, render, type Scope } from '../../../../node/host/steps/template.ts'

const scope: Scope = reference =>
  reference.kind === 'fact'
    ? { kind: 'open' }
    : reference.kind === 'var' && reference.name === 'none'
      ? { kind: 'none', message: 'found none; expected some' }
      : { kind: 'value', value: `<${Object.values(reference).join(' ')}>` }

describe('values in text', () => {
  test.each([
    ['', ''],
    ['$ $$ {} $x', '$ $$ {} $x'],
    ['a ${var.x} b', 'a <var x> b'],
    ['${host.name}${label.role}', '<host name><label role>'],
    ['${hosts.role=db.eu.address}', '<hosts role db.eu address>'],
    ['$${var.x} $$${var.x}', '${var.x} $${var.x}'],
    ['${fact.os.id}', '${fact.os.id}'],
  ])('%s', (text, expected) => {
    expect(render(compile(text), scope)).toMatchObject({
      text: expected,
      faults: [],
      open: text.includes('fact'),
    })
  })

  test.each([
    ['ab${', 2, 'an unfinished variable'],
    ['${x}', 0, '${x}'],
    ['${var.x y}', 0, '${var.x y}'],
    ['${host.color}', 0, '${host.color}'],
    ['${fact.os.idd}', 0, 'expected fact.os.id'],
    ['a ${var.none}', 2, 'found none'],
  ])('%s is refused', (text, offset, message) => {
    const { faults } = render(compile(text), scope)
    expect(faults).toEqual([{ offset, message: expect.stringContaining(message) }])
  })
})

test('every fact can be referred to', () => {
  for (const name of Object.keys(facts)) expect(readReference(`fact.${name}`)).toEqual({ kind: 'fact', name })
})

test('rendering never throws, and leaves text without variables alone', () => {
  const piece = fc.oneof(fc.string(), fc.constantFrom('${', '}', '$', 'var.', 'host.name', '${var.x}'))
  fc.assert(
    fc.property(fc.array(piece), parts => {
      const text = parts.join('')
      const { text: rendered } = render(compile(text), scope)
      if (!text.includes('${')) expect(rendered).toBe(text)
    }),
  )
})
