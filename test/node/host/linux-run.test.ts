import { readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { run } from '../../../node/host/linux-run.ts'

const sh = (script: string, timeoutMs = 10_000) => run(['sh', '-c', script], { timeoutMs })

test('both streams in their order, the end of them, and the code', async () => {
  expect(await sh('echo 1; echo 2 >&2; echo 3; exit 7')).toEqual({
    code: 7,
    timedOut: false,
    output: '1\n2\n3\n',
  })
  const long = await sh('yes ä | head -c 99999; echo end')
  expect(Buffer.byteLength(long.output)).toBeLessThanOrEqual(4096)
  expect(long.output).toMatch(/^ä?\n(ä\n)+end\n$/)
})

test('a clean environment, no input, and a place', async () => {
  process.env['FLEET_TEST_SECRET'] = 'x'
  const { output } = await run(['sh', '-c', 'env | grep -v ^_ | sort; pwd; cat'], {
    timeoutMs: 10_000,
    cwd: '/usr',
    env: { FLEET_ROOT: '/' },
  })
  expect(output.split('\n').filter(line => !/^(OLDPWD|PWD|SHLVL)=/.test(line))).toEqual([
    'FLEET_ROOT=/',
    'HOME=/root',
    'LC_ALL=C.UTF-8',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    '/usr',
    '',
  ])
})

test('a timeout ends grandchildren that ignore SIGTERM', async () => {
  const stubborn = 'trap "" TERM; sh -c \'trap "" TERM; echo $$; while :; do sleep 60; done\' & wait'
  const { timedOut, code, output } = await sh(stubborn, 300)
  expect({ timedOut, code }).toEqual({ timedOut: true, code: undefined })
  const gone = (pid: string) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
    } catch {
      return true
    }
  }
  await vi.waitFor(() => expect(gone(output.trim())).toBe(true))
})

test('a program that is not there is named, before anything runs', async () => {
  await expect(run(['no-such-tool'], { timeoutMs: 1000 })).rejects.toThrow('TOOL_MISSING: no-such-tool')
  await expect(run(['/etc/passwd'], { timeoutMs: 1000 })).rejects.toThrow('TOOL_MISSING: /etc/passwd')
})

test('a daemon that keeps the pipe is not waited for', async () => {
  const { code, output } = await sh('echo started; sleep 5 & echo $! >&2')
  expect(code).toBe(0)
  process.kill(Number(output.split('\n')[1]), 'SIGKILL')
})
