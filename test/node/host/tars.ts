// A tar archive out of plain values, well formed or not: what no tool would write must be refused too.

export interface TarEntry {
  readonly name: string
  readonly type?: string
  readonly mode?: number
  readonly link?: string
  readonly content?: string
  readonly prefix?: string
}

/** mtime is 1,700,000,000 throughout. */
export function tar(...entries: TarEntry[]): Uint8Array {
  const blocks = entries.flatMap(each => {
    const content = Buffer.from(each.content ?? '')
    return [header(each, content.length), content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

function header({ name, type = '0', mode = 0o644, link = '', prefix = '' }: TarEntry, size: number): Buffer {
  const block = Buffer.alloc(512)
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, '0')
  block.write(name, 0, 100)
  block.write(octal(mode, 8), 100)
  block.write(octal(12345, 8), 108)
  block.write(octal(12345, 8), 116)
  block.write(octal(size, 12), 124)
  block.write(octal(1_700_000_000, 12), 136)
  block.write(' '.repeat(8), 148)
  block.write(type, 156)
  block.write(link, 157, 100)
  block.write('ustar\x0000', 257)
  block.write(prefix, 345, 155)
  block.write(
    octal(
      block.reduce((sum, byte) => sum + byte, 0),
      7,
    ),
    148,
  )
  return block
}

/** A pax extended header for the next entry. */
export function pax(records: Record<string, string>): TarEntry {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = Buffer.byteLength(` ${key}=${value}\n`)
    let length = rest
    while (String(length).length + rest !== length) length = String(length).length + rest
    return `${length} ${key}=${value}\n`
  })
  return { name: 'pax', type: 'x', content: content.join('') }
}
