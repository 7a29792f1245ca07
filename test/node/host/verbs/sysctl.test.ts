import { expect, test } from 'vitest'
import type { Snapshot } from '../../../../node/host/resource.ts'
import { specs } from '../../../../node/host/verbs/index.ts'
import { planSysctl } from '../../../../node/host/verbs/sysctl.ts'
import { step } from '../ground.ts'
import { look } from './look.ts'

const name = 'net.core.somaxconn'
const id = `sysctl:${name}` as const
const path = `/etc/sysctl.d/60-fleet-${name}.conf`
const somaxconn = step('SYSCTL', [name, ' 4096 '])
const snapshot = (value: string): Snapshot => new Map([[id, { value }]])

test('sets what runs and what boots, each where it lacks', () => {
  const put = {
    kind: 'put',
    path,
    content: { kind: 'bytes', bytes: new TextEncoder().encode(`${name} = 4096\n`) },
  }
  const live = { kind: 'set', id, from: { value: '128' }, to: { value: '4096' } }
  expect(planSysctl(somaxconn, look({}, snapshot('128')))).toMatchObject([put, live])
  expect(planSysctl(somaxconn, look({ [path]: `${name} = 4096\n` }, snapshot('128')))).toEqual([live])
  expect(planSysctl(somaxconn, look({ [path]: 'other' }, snapshot('4096')))).toMatchObject([put])
  expect(planSysctl(somaxconn, look({ [path]: `${name} = 4096\n` }, snapshot('4096')))).toEqual([])
  // Elsewhere than on the running machine there is no provider.
  expect(planSysctl(somaxconn, look())).toMatchObject([put])
  expect(planSysctl(somaxconn, look({}, new Map([[id, null]])))).toMatchObject({
    code: 'SYSCTL_UNKNOWN',
    detail: expect.stringContaining('/proc/sys/net/core/somaxconn'),
  })
})

test('blanks in values count as one', () => {
  const memory = step('SYSCTL', ['net.ipv4.tcp_rmem', '4096  87380\t6291456'])
  const now: Snapshot = new Map([['sysctl:net.ipv4.tcp_rmem', { value: '4096 87380 6291456' }]])
  expect(planSysctl(memory, look({}, now))).toMatchObject([{ kind: 'put' }])
})

test.each([
  ['net.ipv4.conf.eth0/1.forwarding', 'net.ipv4.conf.eth0/1.forwarding'],
  ['net/ipv4/conf/eth0.1/forwarding', 'net.ipv4.conf.eth0/1.forwarding'],
  ['net/core/somaxconn', name],
])('%s is known as %s', (written, known) => {
  const spec = specs.get('SYSCTL')!
  const step = { args: [written, '1'], options: {} }
  expect(spec.key(step)).toBe(known)
  expect(spec.target!(step)).toBe(`/etc/sysctl.d/60-fleet-${known.replace('/', '@')}.conf`)
})
