// The bound of the drift store; what comes into it is in driver.test.ts.
import * as fs from 'node:fs'
import { expect, test } from 'vitest'
import { openMachine } from '../../../node/host/linux.ts'
import { openDrift } from '../../../node/host/linux-drift.ts'
import { ground } from './ground.ts'

test('trees count with all that is in them; the oldest goes first, the newest never', () => {
  const here = ground()
  fs.mkdirSync(`${here.state}/drift`, { recursive: true })
  const machine = openMachine(here.root, here.state)
  const drift = openDrift(machine)
  const keep = (path: string, at: number) => {
    drift.keep(path, machine.lstat(path)!, 'foreign', at, '1')
    drift.settle(Date.now() + 1e6)
    return drift.list().map(each => each.path)
  }
  here.fill({ '/old': 'x', '/tree/deep/': '', '/new': 'x' })
  for (const name of ['a', 'b']) {
    fs.writeFileSync(`${here.root}/tree/deep/${name}`, '')
    fs.truncateSync(`${here.root}/tree/deep/${name}`, 33 * 1024 ** 2)
  }
  expect(keep('/old', 1)).toEqual(['/old'])
  expect(keep('/tree', 2)).toEqual(['/tree'])
  expect(drift.list()[0]!.size).toBe(66 * 1024 ** 2)
  expect(keep('/new', 3)).toEqual(['/new'])
  expect(fs.readdirSync(`${here.state}/drift`).length).toBe(2)
  machine.close()
})
