// The data types of SSH (RFC 4251 section 5), as far as keys and signatures use them. What the strings hold is left to
// keys.ts and sshsig.ts.
import { concat, uint32, utf8 } from './bytes.ts'

/** Reads one value after the other; each answers undefined when the bytes end too early. */
export interface SshReader {
  uint32(): number | undefined
  string(): Uint8Array | undefined
  /** The next `size` bytes. */
  take(size: number): Uint8Array | undefined
  /** What has not been read yet. */
  rest(): Uint8Array
}

export function sshReader(bytes: Uint8Array): SshReader {
  let at = 0
  const take = (size: number) => (size <= bytes.length - at ? bytes.slice(at, (at += size)) : undefined)
  const number = () => {
    const four = take(4)
    return four && new DataView(four.buffer).getUint32(0)
  }
  return {
    uint32: number,
    string() {
      const size = number()
      return size === undefined ? undefined : take(size)
    },
    take,
    rest: () => bytes.slice(at),
  }
}

/** Length and bytes; a text goes as UTF-8. */
export function sshString(value: Uint8Array | string): Uint8Array {
  const bytes = typeof value === 'string' ? utf8(value) : value
  return concat(uint32(bytes.length), bytes)
}
