// The queue of a simulation: numbers of slots by whole milliseconds, first come first served within one. Knows nothing
// of what a slot stands for: whoever pushes keeps that in arrays of its own.

/** ms ahead that lie in buckets, one for each; what is later waits in a heap. A power of two. */
const ringMs = 4096
const mask = ringMs - 1
const none = -1

export class Calendar {
  #nowMs = 0
  /** Of each slot: the next one of its bucket, or of the free ones. */
  #next = new Int32Array(1024)
  /** Of slots in the heap: when, and in which order they were pushed. */
  #atMs = new Float64Array(1024)
  #order = new Float64Array(1024)
  #free = none
  #used = 0
  #pushed = 0
  readonly #heads = new Int32Array(ringMs).fill(none)
  readonly #tails = new Int32Array(ringMs).fill(none)
  /** A bit for each bucket that is not empty. */
  readonly #busy = new Int32Array(ringMs / 32)
  #near = 0
  #heap = new Int32Array(1024)
  #far = 0

  /** ms since the beginning: that of the last slot that was taken. */
  get nowMs(): number {
    return this.#nowMs
  }

  /** Slots that wait. */
  get size(): number {
    return this.#near + this.#far
  }

  /** All slots are below it; it grows. */
  get capacity(): number {
    return this.#next.length
  }

  /** `atMs`: whole, and not before now. Answers with the slot. */
  push(atMs: number): number {
    let slot = this.#free
    if (slot === none) {
      slot = this.#used++
      if (slot === this.#next.length) this.#grow()
    } else this.#free = this.#next[slot]!
    if (atMs - this.#nowMs < ringMs) this.#append(slot, atMs)
    else {
      this.#atMs[slot] = atMs
      this.#order[slot] = this.#pushed++
      this.#rise(slot)
    }
    return slot
  }

  /** Takes the next slot that is due by `untilMs`; -1 when there is none. It is free again with the next push. */
  pop(untilMs = Number.POSITIVE_INFINITY): number {
    if (this.#near === 0) {
      if (this.#far === 0 || this.#atMs[this.#heap[0]!]! > untilMs) return none
      this.advance(this.#atMs[this.#heap[0]!]!)
    }
    const bucket = this.#nextBucket()
    const atMs = this.#nowMs + ((bucket - this.#nowMs) & mask)
    if (atMs > untilMs) return none
    if (atMs !== this.#nowMs) this.advance(atMs)
    const slot = this.#heads[bucket]!
    const next = this.#next[slot]!
    this.#heads[bucket] = next
    if (next === none) this.#busy[bucket >> 5]! &= ~(1 << (bucket & 31))
    this.#next[slot] = this.#free
    this.#free = slot
    this.#near -= 1
    return slot
  }

  /** Sets the clock forward; nothing may be due before. */
  advance(toMs: number): void {
    this.#nowMs = toMs
    // What comes within reach is put in its bucket before anybody can push behind it, so the order stays.
    while (this.#far > 0 && this.#atMs[this.#heap[0]!]! - toMs < ringMs) {
      const slot = this.#sink()
      this.#append(slot, this.#atMs[slot]!)
    }
  }

  #append(slot: number, atMs: number): void {
    const bucket = atMs & mask
    this.#next[slot] = none
    if (this.#busy[bucket >> 5]! & (1 << (bucket & 31))) this.#next[this.#tails[bucket]!] = slot
    else {
      this.#heads[bucket] = slot
      this.#busy[bucket >> 5]! |= 1 << (bucket & 31)
    }
    this.#tails[bucket] = slot
    this.#near += 1
  }

  /** The first that is not empty, from now on and around. There is one. */
  #nextBucket(): number {
    const start = this.#nowMs & mask
    let word = start >> 5
    let bits = this.#busy[word]! & (-1 << (start & 31))
    while (bits === 0) {
      word = (word + 1) & (mask >> 5)
      bits = this.#busy[word]!
    }
    return (word << 5) | (31 - Math.clz32(bits & -bits))
  }

  #isBefore(a: number, b: number): boolean {
    const ms = this.#atMs[a]! - this.#atMs[b]!
    return ms < 0 || (ms === 0 && this.#order[a]! < this.#order[b]!)
  }

  #rise(slot: number): void {
    if (this.#far === this.#heap.length) this.#heap = doubled(this.#heap, Int32Array)
    const heap = this.#heap
    let at = this.#far++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#isBefore(heap[parent]!, slot)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = slot
  }

  #sink(): number {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap[--this.#far]!
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= this.#far) break
      if (child + 1 < this.#far && this.#isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (this.#isBefore(last, heap[child]!)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
    return first
  }

  #grow(): void {
    this.#next = doubled(this.#next, Int32Array)
    this.#atMs = doubled(this.#atMs, Float64Array)
    this.#order = doubled(this.#order, Float64Array)
  }
}

/** The same with twice the room. */
export function doubled<T extends Int32Array | Float64Array>(from: T, Kind: new (length: number) => T): T {
  const to = new Kind(from.length * 2)
  to.set(from)
  return to
}
