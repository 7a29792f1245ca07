// One life of an agent's process on a simulated disk, from its start to its end: whoever belongs to a life that is over
// can do nothing any more. Decides only when it ends.
import type { SimDisk } from './disk.ts'

/** Thrown into whatever a process was doing when it died; nobody is to take it for a failure. */
export class Killed extends Error {
  constructor() {
    super('the agent was killed')
  }
}

export class Life {
  readonly disk: SimDisk
  #alive = true
  #left = Number.POSITIVE_INFINITY
  #due = () => {}
  readonly #onDeath: () => void
  readonly #before = () => {
    if (this.#left-- === 0) this.#due()
  }

  /** Takes the disk over; the life before it is over. `onDeath`: when it dies of itself (dieAt). */
  constructor(disk: SimDisk, onDeath: () => void = () => {}) {
    this.disk = disk
    this.#onDeath = onDeath
    disk.before = this.#before
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Before the next change of the disk but so many; Infinity: never. Replaces what was due. */
  at(changes: number, action: () => void): void {
    this.#left = changes
    this.#due = action
  }

  /** The process is killed at the next change but so many, and before it. */
  dieAt(changes: number): void {
    this.at(changes, () => {
      this.end()
      this.#onDeath()
      throw new Killed()
    })
  }

  end(): void {
    this.#alive = false
    // Others may still change the disk.
    if (this.disk.before === this.#before) this.disk.before = undefined
  }

  /** Throws Killed once it is over. */
  live(): void {
    if (!this.#alive) throw new Killed()
  }

  /** Does it at once. Once this life is over, what is answered never settles: there is nobody to answer. */
  async act<T>(action: () => T): Promise<T> {
    if (!this.#alive) return new Promise<never>(() => {})
    try {
      return action()
    } catch (error) {
      if (error instanceof Killed) return new Promise<never>(() => {})
      throw error
    }
  }
}
