// RUN through the engine: where it runs, as whom, and what is said when it fails.
import * as fs from 'node:fs'
import { expect, test } from 'vitest'
import { about, ground, payloads, run } from '../ground.ts'

const script = (text: string, options = {}) => run(text, { shell: '', id: text, ...options })

test('in the root directory or below it, with the environment that the reference names', async () => {
  const at = ground()
  fs.mkdirSync(`${at.root}/srv`)
  const engine = at.open()
  const steps = [script('env | cut -d= -f1 | sort >env'), script('pwd >where', { cwd: '/srv' })]
  expect(await engine.run(steps, about('1'), payloads)).toMatchObject({ kind: 'applied', notKept: [] })
  expect(at.read('/srv/where')).toBe(`${fs.realpathSync(at.root)}/srv\n`)
  const names = at.read('/env').trim().split('\n')
  expect(names.filter(name => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name))).toEqual([
    'FLEET_ROOT',
    'HOME',
    'LC_ALL',
    'PATH',
  ])
  engine.close()
})

test.skipIf(process.getuid!() !== 0)('as another user', async () => {
  const at = ground()
  const engine = at.open()
  fs.chmodSync(at.dir, 0o755)
  fs.mkdirSync(`${at.root}/tmp`)
  fs.chmodSync(`${at.root}/tmp`, 0o777)
  await engine.run(
    [script('id -un >tmp/who; echo $HOME >>tmp/who', { user: 'nobody' })],
    about('1'),
    payloads,
  )
  expect(at.read('/tmp/who')).toMatch(/^nobody\n\/nonexistent\n|^nobody\n\/\n/)
  engine.close()
})

test('a failure is told by command, code and the end of what it printed', async () => {
  const at = ground()
  const engine = at.open()
  const reason = async (text: string, options = {}) =>
    (await engine.run([script(text, options)], about('1'), payloads)).notKept[0]?.reason
  expect(await reason('echo out; echo err >&2; echo out; exit 3')).toEqual({
    code: 'COMMAND_FAILED',
    detail: '/bin/sh -c echo out; echo err >&2; echo out; exit 3: exit 3\nout\nerr\nout\n',
  })
  expect(
    await reason('trap "" TERM; echo busy; while :; do sleep 9; done', { timeout: '200ms' }),
  ).toMatchObject({
    code: 'COMMAND_TIMEOUT',
    detail: expect.stringMatching(/killed after 200 ms\nbusy\n$/),
  })
  expect((await engine.run([run('no-such-tool')], about('1'), payloads)).notKept[0]?.reason).toMatchObject({
    code: 'TOOL_MISSING',
  })
  engine.close()
})
