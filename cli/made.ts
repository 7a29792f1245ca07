// Files and folders that a command makes together: all of them or none. What is there already is never written over.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { CliError, exits } from './command.ts'

/** Fails before anything is made if one of the paths, relative to `base`, exists. */
export function refuseExisting(base: string, paths: readonly string[], hint: string): void {
  const there = paths.filter(path => existsSync(resolve(base, path)))
  if (there.length > 0)
    throw new CliError(`already there, and left alone: ${there.join(', ')}`, {
      exit: exits.badInput,
      hint,
    })
}

export class Made {
  /** Paths that did not exist before, outermost first. */
  readonly #paths: string[] = []

  /** With its parents; a folder that is there is fine. */
  folder(path: string, mode = 0o777): void {
    const first = mkdirSync(path, { recursive: true, mode })
    if (first !== undefined) this.#paths.push(first)
  }

  /** A new file, with its parents. */
  file(path: string, content: string | Uint8Array, mode = 0o666): void {
    this.folder(dirname(path))
    writeFileSync(path, content, { flag: 'wx', mode })
    this.#paths.push(path)
  }

  /** Notes a path that somebody else is about to make. */
  expect(path: string): void {
    if (!existsSync(path)) this.#paths.push(path)
  }

  undo(): void {
    for (const path of this.#paths.reverse()) rmSync(path, { recursive: true, force: true })
  }
}

/** Runs `make`; takes back what it made when it fails. */
export async function allOrNothing<T>(make: (made: Made) => Promise<T> | T): Promise<T> {
  const made = new Made()
  try {
    return await make(made)
  } catch (error) {
    made.undo()
    throw error
  }
}
