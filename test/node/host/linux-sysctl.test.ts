// The provider of kernel parameters on a folder that stands for /proc/sys, and read-only on the real one.
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSysctl } from '../../../node/host/linux-sysctl.ts'

let proc: string
beforeEach(() => {
  proc = fs.mkdtempSync(join(tmpdir(), 'fleet-sysctl-'))
  fs.mkdirSync(join(proc, 'net/ipv4/conf/eth0.1'), { recursive: true })
  fs.writeFileSync(join(proc, 'net/ipv4/tcp_rmem'), '4096\t131072\t6291456\n')
  fs.writeFileSync(join(proc, 'net/ipv4/conf/eth0.1/forwarding'), '0\n')
})
afterEach(() => fs.rmSync(proc, { recursive: true }))

test('reads and writes, with dots in names of interfaces and tabs in values', async () => {
  const sysctl = openSysctl(proc)
  const ids = ['net.ipv4.tcp_rmem', 'net.ipv4.conf.eth0/1.forwarding', 'net.ipv4', 'net.none']
  expect([...(await sysctl.observe(ids)).values()]).toEqual([
    { value: '4096 131072 6291456' },
    { value: '0' },
    null,
    null,
  ])
  const change = {
    id: 'sysctl:net.ipv4.conf.eth0/1.forwarding',
    from: { value: '0' },
    to: { value: '1' },
  } as const
  await sysctl.prepare([change])
  await sysctl.change([change])
  expect(fs.readFileSync(join(proc, 'net/ipv4/conf/eth0.1/forwarding'), 'utf8')).toBe('1\n')
  const gone = { ...change, id: 'sysctl:net.none' } as const
  await expect(sysctl.prepare([gone])).rejects.toMatchObject({ reason: { code: 'SYSCTL_UNKNOWN' } })
  await expect(sysctl.change([gone])).resolves.toEqual({ leftBehind: [] })
})

test('what the kernel alone decides cannot be prepared', async () => {
  const sysctl = openSysctl()
  const id = 'sysctl:kernel.ostype'
  const from = (await sysctl.observe(['kernel.ostype'])).get(id)!
  expect(from).toEqual({ value: 'Linux' })
  await expect(sysctl.prepare([{ id, from, to: { value: 'Minix' } }])).rejects.toMatchObject({
    reason: { code: expect.stringMatching(/^(NO_PERMISSION|READ_ONLY)$/) },
  })
})
