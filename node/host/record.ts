// The journal as a file: read once, appended to, written anew when it has grown. What its entries mean is left to
// journal.ts.
import { advance, blank, type Entry, encode, replay, type State, version } from './journal.ts'
import type { System } from './system.ts'

/** Written anew above this, and twice what is needed. Bytes. */
const journalBytesMin = 1024 * 1024
const journalBytesMax = 1024 * 1024 * 1024

export interface JournalFile {
  state(): State
  /** Durable when it returns, unless told otherwise. When it throws, nothing is noted. */
  note(entry: Entry, durable?: boolean): void
}

/** Throws HostError: JOURNAL_DAMAGED, STATE_UNKNOWN. */
export function openRecord(machine: System): JournalFile {
  const bytes = machine.lstat('journal') ? machine.read('journal', journalBytesMax) : new Uint8Array()
  const replayed = replay(bytes)
  if (replayed.size < bytes.length) machine.truncate('journal', replayed.size)
  let { state, size } = replayed
  const openedSize = size
  let snapshotSize = 0
  /** Whatever is noted: a host without releases notes looks and pauses for years. Not while a run waits for its outcome. */
  const isGrown = ({ kind }: Entry, { open }: State) => {
    const wanted = kind === 'done' ? snapshotSize : Math.max(snapshotSize, openedSize)
    return open === undefined && size > Math.max(journalBytesMin, 2 * wanted)
  }
  return {
    state: () => state,
    note: (entry, durable = true) => {
      const next = advance(state, entry)
      if (isGrown(entry, next)) {
        const whole = encode({ kind: 'snapshot', version, state: next })
        machine.replace('journal', whole)
        size = snapshotSize = whole.length
      } else {
        // Each journal begins by saying which version wrote it.
        const head = size === 0 ? encode({ kind: 'snapshot', version, state: blank }) : new Uint8Array()
        const body = encode(entry)
        const whole = new Uint8Array(head.length + body.length)
        whole.set(head)
        whole.set(body, head.length)
        try {
          machine.append('journal', whole, durable)
        } catch (error) {
          // Half a record before whole ones would be damage.
          machine.truncate('journal', size)
          throw error
        }
        size += whole.length
      }
      state = next
    },
  }
}
