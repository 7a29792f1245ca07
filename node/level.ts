// Store on level (LevelDB). One batch a transition, synced when asked. A store that does not open is repaired, else set
// aside and begun anew: nothing lives here that could not be rebuilt.
import assert from 'node:assert'
import { mkdirSync, renameSync } from 'node:fs'
import { dirname } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { Level } from 'level'
import { NodeError } from './errors.ts'
import { type Clock, type Opened, type Store, storeKey } from './ports.ts'

type Database = Level<string, Uint8Array>

/**
 * Opens or makes the store in `folder`. Errors: STORE_LOCKED when another process has it open; STORE_FAILED when the
 * disk is full or rights are missing, or when it can be neither repaired nor moved to `<folder>.damaged-<time>`.
 */
export async function openLevel(folder: string, clock: Pick<Clock, 'now'>): Promise<Opened<Store>> {
  mkdirSync(dirname(folder), { recursive: true })
  const first = await tryOpen(folder)
  if ('database' in first) return { port: storeOn(first.database) }
  await ClassicLevel.repair(folder).catch(() => {})
  const repaired = await tryOpen(folder)
  if ('database' in repaired)
    return { port: storeOn(repaired.database), note: `store ${folder} was damaged (${first.why}); repaired` }
  const aside = `${folder}.damaged-${new Date(clock.now()).toISOString().replaceAll(':', '')}`
  try {
    renameSync(folder, aside)
  } catch (error) {
    throw new NodeError('STORE_FAILED', { folder, found: first.why }, error)
  }
  const fresh = await tryOpen(folder)
  if (!('database' in fresh)) throw new NodeError('STORE_FAILED', { folder, found: fresh.why })
  const note = `store ${folder} was damaged (${first.why}); set aside as ${aside}, begun anew`
  return { port: storeOn(fresh.database), note }
}

async function tryOpen(folder: string): Promise<{ database: Database } | { why: string }> {
  const database: Database = new Level(folder, { keyEncoding: 'utf8', valueEncoding: 'view' })
  try {
    await database.open()
    // LevelDB opens on its manifest alone: read once through, so that a missing table shows now, not in an hour.
    for await (const _ of database.keys());
    return { database }
  } catch (error) {
    await database.close().catch(() => {})
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    if (cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED')
      throw new NodeError('STORE_LOCKED', { folder }, error)
    const why = cause instanceof Error ? cause.message : String(cause)
    // LevelDB has one code for all of these. They say nothing against the store: it must not be set aside for them.
    if (/No space left|Permission denied|Read-only|Too many open files/.test(why))
      throw new NodeError('STORE_FAILED', { folder, found: why }, error)
    return { why }
  }
}

function storeOn(database: Database): Store {
  return {
    get: async key => {
      assert.match(key, storeKey)
      return database.get(key)
    },
    range: ({ from, before, limit }) => database.iterator({ gte: from, lt: before, limit }).all(),
    batch: (ops, { durable }) => {
      for (const { key } of ops) assert.match(key, storeKey)
      return database.batch([...ops], { sync: durable })
    },
    close: () => database.close(),
  }
}
