// Store on a simulated disk; its bytes are shared, since nobody changes them. What was not durable may be lost at a crash, newest first, as LevelDB's log does.
import assert from 'node:assert'
import { type Store, storeKey } from '../node/ports.ts'
import type { Life } from './life.ts'

export function simStore(life: Life): Store {
  const { disk } = life
  return {
    get: key =>
      life.act(() => {
        assert.match(key, storeKey)
        return disk.rows.get(key)
      }),
    range: ({ from, before, limit }) =>
      life.act(() =>
        [...disk.rows]
          .filter(([key]) => key >= from && key < before)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([key, value]) => [key, value] as const),
      ),
    batch: (ops, { durable }) =>
      life.act(() => {
        for (const { key } of ops) assert.match(key, storeKey)
        const copy = ops.map(op => ({ key: op.key, value: op.type === 'put' ? op.value : undefined }))
        disk.keepRows(copy)
        if (durable) disk.flush([])
      }),
    close: async () => {},
  }
}
