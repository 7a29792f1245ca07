// Store in memory for simulation: what was not durable may be lost at a crash, newest first, as LevelDB's log does.
import assert from 'node:assert'
import { type Store, type StoreOp, storeKey } from '../node/ports.ts'

export interface SimStore extends Store {
  /** A power cut: of the batches since the last durable one a seeded number of the newest is lost. */
  crash(): void
}

/** `random` in [0, 1) decides how much a crash loses. */
export function simStore(random: () => number): SimStore {
  /** As on disk for certain. */
  const safe = new Map<string, Uint8Array>()
  /** Batches written since, oldest first. */
  let recent: (readonly StoreOp[])[] = []
  let now = new Map<string, Uint8Array>()

  return {
    get: async key => {
      assert.match(key, storeKey)
      return now.get(key)?.slice()
    },
    range: async ({ from, before, limit }) =>
      [...now]
        .filter(([key]) => key >= from && key < before)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limit)
        .map(([key, value]) => [key, value.slice()] as const),
    batch: async (ops, { durable }) => {
      for (const { key } of ops) assert.match(key, storeKey)
      const copy = ops.map(op => (op.type === 'put' ? { ...op, value: op.value.slice() } : op))
      play(now, copy)
      recent.push(copy)
      if (!durable) return
      for (const each of recent) play(safe, each)
      recent = []
    },
    close: async () => {},
    crash: () => {
      const kept = Math.floor(random() * (recent.length + 1))
      for (const each of recent.slice(0, kept)) play(safe, each)
      recent = []
      now = new Map(safe)
    },
  }
}

function play(into: Map<string, Uint8Array>, ops: readonly StoreOp[]): void {
  for (const op of ops)
    if (op.type === 'put') into.set(op.key, op.value)
    else into.delete(op.key)
}
