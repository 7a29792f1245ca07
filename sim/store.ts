// Store on a simulated disk: what was not durable may be lost at a crash, newest first, as LevelDB's log does.
import assert from 'node:assert'
import { type Store, storeKey } from '../node/ports.ts'
import type { Life } from './life.ts'

/** `shares`: bytes are kept and given as they are, for hosts that are known not to change them. */
export function simStore(life: Life, shares = false): Store {
  const own = (bytes: Uint8Array) => (shares ? bytes : bytes.slice())
  const { disk } = life
  return {
    get: key =>
      life.act(() => {
        assert.match(key, storeKey)
        const found = disk.rows.get(key)
        return found && own(found)
      }),
    range: ({ from, before, limit }) =>
      life.act(() =>
        [...disk.rows]
          .filter(([key]) => key >= from && key < before)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([key, value]) => [key, own(value)] as const),
      ),
    batch: (ops, { durable }) =>
      life.act(() => {
        for (const { key } of ops) assert.match(key, storeKey)
        const copy = ops.map(op => ({ key: op.key, value: op.type === 'put' ? own(op.value) : undefined }))
        disk.keepRows(copy)
        if (durable) disk.flush([])
      }),
    close: async () => {},
  }
}
