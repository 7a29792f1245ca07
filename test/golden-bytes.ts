import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Bytes of a format that must decode for ever: read from test/fixtures/formats. With FLEET_WRITE_FIXTURES=1 a missing
 * one is written; one that exists is never changed.
 */
export function golden(name: string, make: () => Uint8Array): Uint8Array {
  const path = fileURLToPath(new URL(`fixtures/formats/${name}`, import.meta.url))
  if (!existsSync(path)) {
    if (process.env['FLEET_WRITE_FIXTURES'] !== '1')
      throw new Error(`${path} is missing; make it with FLEET_WRITE_FIXTURES=1`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, make())
  }
  return new Uint8Array(readFileSync(path))
}
