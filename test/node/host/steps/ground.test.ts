import { expect, test } from 'vitest'
import { withGround } from '../../../../node/host/steps/ground.ts'
import type { Step } from '../../../../node/host/steps/step.ts'

const step = (verb: string, ...args: string[]): Step => ({
  verb,
  args,
  options: {},
  id: `${verb} ${args[0]}`,
  origin: { file: 'site.steps', line: 1, column: 1 },
})
const ids = (...steps: Step[]) => withGround(steps).map(each => each.id)

test('base directories above a target are made, outermost first', () => {
  expect(ids(step('COPY', 'a', '/etc/ssh/sshd_config.d/a'))).toEqual([
    'MKDIR /etc',
    'MKDIR /etc/ssh',
    'MKDIR /etc/ssh/sshd_config.d',
    'COPY a',
  ])
})

test('what is declared is left to its step; what is no base directory to check', () => {
  expect(ids(step('MKDIR', '/etc'), step('COPY', 'a', '/etc/a'))).toEqual(['MKDIR /etc', 'COPY a'])
  expect(ids(step('MKDIR', '/srv/web/a'))).toEqual(['MKDIR /srv', 'MKDIR /srv/web/a'])
})

test('a removal and a command need no ground', () => {
  expect(ids(step('ABSENT', '/etc/cron.d/a'), step('RUN', 'true'))).toEqual([
    'ABSENT /etc/cron.d/a',
    'RUN true',
  ])
})

test('modes of special directories', () => {
  const modes = withGround([step('COPY', 'a', '/tmp/a'), step('COPY', 'a', '/root/a')])
  expect(modes.slice(0, 2).map(each => [each.args[0], each.options['mode']])).toEqual([
    ['/root', '0700'],
    ['/tmp', '1777'],
  ])
})
