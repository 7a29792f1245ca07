// In the steady state nothing is looked at: the real agent, with 5,000 managed files, under strace for a minute.
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LabFleet } from './fleet.ts'
import { onLab } from './suite.ts'

const count = 5000
const watchedMs = Number(process.env['FLEET_LAB_STEADY_MS'] ?? 60_000)

onLab('the steady state', () => {
  let fleet: LabFleet
  beforeAll(async () => {
    fleet = await LabFleet.begin('steady', 1)
    for (let at = 0; at < count; at++) fleet.write(`files/many/${at % 50}/${at}`, `file ${at}\n`)
    await fleet.release('many files', 'TREE files/many /srv/many\n')
    await fleet.converged()
    await fleet.hosts[0]!.sh('fleet apply --agent')
  })
  afterAll(() => fleet?.close())

  test('makes no file system call on managed files, and hears them all the same', async () => {
    const [host] = fleet.hosts
    const [pid] = host!.pids('payload/system.slice/fleet.service')
    const log = join(fleet.lab.folder, 'strace')
    const calls = ['%file', 'read', 'pread64', 'write', 'getdents64', 'fstat', 'fsync', 'fchmod', 'fchown']
    const argv = ['-f', '-y', '-qq', '-e', `trace=${calls.join(',')}`, '-o', log, '-p', String(pid)]
    const strace = spawn('strace', argv, { stdio: 'ignore' })
    const ended = new Promise(resolve => strace.once('close', resolve))
    // The minute is what is measured, not something that is waited for.
    await sleep(watchedMs)
    strace.kill('SIGINT')
    await ended
    const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean)
    const managed = lines.filter(line => line.includes('/srv/many'))
    console.log(
      `${watchedMs / 1000} s, ${count} managed files: ${managed.length} calls on them; ${lines.length} file and read calls in all`,
    )
    expect(managed).toEqual([])
    await host!.sh('echo edited >/srv/many/7/7')
    await fleet.repaired(host!, '/srv/many/7/7', 'file 7\n')
  })
})
