import { expect, test } from 'vitest'
import type { Act } from '../../../node/host/act.ts'
import { createLeg } from '../../../node/host/leg.ts'
import type { View } from '../../../node/host/view.ts'

const ownership = { mode: 0o644, uid: 0, gid: 0 }
const put = (path: string): Act => ({
  kind: 'put',
  path,
  content: { kind: 'bytes', bytes: new Uint8Array() },
  ownership,
})
const start: Act = {
  kind: 'set',
  id: 'unit:x.service',
  from: null,
  to: { running: true, enabled: 'enabled' },
}

test.each([
  ['/etc/systemd/system/x.service', true],
  ['/lib/systemd/system/y.service.d/z.conf', true],
  ['/etc/systemd/system.conf', false],
  ['/etc/x', false],
])('after writing %s the state of units must be looked at again: %s', (path, again) => {
  const view = { stat: () => undefined, predict: () => undefined } as unknown as View
  const leg = createLeg(view, '1')
  leg.add([], put(path))
  expect(leg.ends(start)).toBe(again)
  expect(leg.ends(put('/etc/other'))).toBe(false)
})
