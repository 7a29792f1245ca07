// Every command says how it is used, and what it says is true: examples parse.
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import type { CommandSpec } from '../../cli/command.ts'
import { commands } from '../../cli/commands/index.ts'

/** The words of a line as a shell would part them; the trailing comment is left out. */
function words(line: string): string[] {
  return [...line.replace(/\s#\s.*$/, '').matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(
    each => each[1] ?? each[2] ?? each[3] ?? '',
  )
}

function parser(name: string, spec: CommandSpec): Command {
  const command = new Command(name).exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
  for (const [arg, doc] of spec.args ?? []) command.argument(arg, doc)
  for (const [flags, doc] of spec.options ?? []) command.option(flags, doc)
  if (spec.json) command.option('--json')
  return command.action(() => {})
}

describe.each(commands)('fleet $name', ({ name, summary, load }) => {
  test('its examples parse', async () => {
    const spec = await load()
    for (const example of spec.examples) {
      const [fleet, command, ...rest] = words(example)
      expect([fleet, command]).toEqual(['fleet', name])
      expect(() => parser(name, spec).parse(rest, { from: 'user' }), example).not.toThrow()
    }
  })
  test('its summary is a phrase that fits the list', () => {
    expect(summary).toMatch(/^[a-z][^\n]{1,60}[^.]$/)
  })
})

test('fleet --help lists every command, fleet COMMAND --help its options and examples', () => {
  const fleet = (...args: string[]) =>
    execFileSync(process.execPath, [fileURLToPath(new URL('../../cli/main.ts', import.meta.url)), ...args], {
      encoding: 'utf8',
    })
  const list = fleet('--help')
  for (const { name, summary } of commands) expect(list).toContain(`\n  ${name.padEnd(13)}  ${summary}\n`)
  const help = fleet('plan', '--help')
  expect(help).toContain('Usage: fleet plan [options] [rev]')
  expect(help).toContain('--root <dir>')
  expect(help).toContain('Examples:\n  fleet plan --root /tmp/try')
  for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
})
