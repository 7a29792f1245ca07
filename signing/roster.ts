// trust/hosts, the roster: the hosts of the fleet with keys, addresses and labels. Reads and writes; who is admitted
// and which labels matter is decided elsewhere.
import { hex, utf8 } from './bytes.ts'
import { keyWord, wordKey } from './keys.ts'
import { type Parsed, parseLines, type Word } from './trust-file.ts'

export interface Host {
  /** 1 to 253 characters of `[a-z0-9.-]`; once in a file. */
  readonly name: string
  /** 32 bytes; once in a file. */
  readonly key: Uint8Array
  /** As `parseAddress` reads them. */
  readonly addresses: readonly string[]
  /** Without a prototype. */
  readonly labels: Readonly<Record<string, string>>
}

export interface Address {
  /** IPv4, IPv6 without brackets, or a name. */
  readonly host: string
  readonly port: number
}

/** Where hosts listen when an address names no port. */
export const portDefault = 4747

/** Parses trust/hosts; `file` is the name that problems carry. */
export function parseRoster(bytes: Uint8Array, file = 'trust/hosts'): Parsed<readonly Host[]> {
  const hosts: Host[] = []
  const names = new Set<string>()
  const keys = new Set<string>()
  return parseLines(file, bytes, hosts, ({ words, wrong }) => {
    const [name, type, word, ...options] = words
    if (!/^[a-z0-9.-]{1,253}$/.test(name!.text))
      return wrong(name, 'a host name of 1 to 253 characters of a-z 0-9 . -')
    if (names.has(name!.text)) return wrong(name, 'each name once')
    if (type?.text !== 'ssh-ed25519') return wrong(type, 'ssh-ed25519')
    const key = word && wordKey(word.text)
    if (!key) return wrong(word, 'an Ed25519 public key in Base64')
    if (keys.has(hex(key))) return wrong(word, 'each key once')
    const host = { name: name!.text, key, ...readOptions(options, wrong) }
    names.add(host.name)
    keys.add(hex(key))
    hosts.push(host)
  })
}

function readOptions(
  words: readonly Word[],
  wrong: (word: Word, expected: string) => void,
): Pick<Host, 'addresses' | 'labels'> {
  const labels: Record<string, string> = Object.create(null)
  let addresses: readonly string[] | undefined
  for (const word of words) {
    const [, label, value] = /^([a-z][a-z0-9_-]{0,62})=(.+)$/.exec(word.text) ?? []
    if (label === undefined || value === undefined) wrong(word, 'addr=ADDRESS or label=value')
    else if (label === 'addr') {
      if (addresses) wrong(word, 'addr once; several addresses take commas')
      addresses = value.split(',')
      if (!addresses.every(each => parseAddress(each)))
        wrong(word, 'IPv4, [IPv6] or a name, each with :PORT when it is not 4747')
    } else if (label in labels) wrong(word, 'each label once')
    else if (!/^[A-Za-z0-9._:/@+-]{1,253}$/.test(value))
      wrong(word, 'a value of 1 to 253 characters of A-Z a-z 0-9 . _ : / @ + -')
    else labels[label] = value
  }
  return { addresses: addresses ?? [], labels }
}

/** The canonical text: one line a host in the order given, labels sorted. */
export function writeRoster(hosts: readonly Host[]): Uint8Array {
  const lines = hosts.map(({ name, key, addresses, labels }) => {
    const addr = addresses.length > 0 ? [`addr=${addresses.join()}`] : []
    const sorted = Object.keys(labels).sort()
    return [
      name,
      'ssh-ed25519',
      keyWord(key),
      ...addr,
      ...sorted.map(each => `${each}=${labels[each]}`),
    ].join(' ')
  })
  return utf8(lines.map(line => `${line}\n`).join(''))
}

/** Reads `192.0.2.7`, `[2001:db8::7]` or `db.example.org`, each with `:PORT` or not; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253}))(?::([1-9][0-9]{0,4}))?$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3] ?? portDefault)
  if (host === undefined || port > 65_535) return undefined
  if (match?.[1] !== undefined && !isIpv6(host)) return undefined
  // Digits and dots alone must be an IPv4 address: no name ends in a number.
  if (match?.[1] === undefined && /(?:^|\.)[0-9]+$/.test(host) && !isIpv4(host)) return undefined
  return { host, port }
}

function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!$)|$)){4}$/.test(text)
}

function isIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  const groups = halves.flatMap(half => (half === '' ? [] : half.split(':')))
  const last = groups.at(-1)
  if (last?.includes('.')) {
    if (!isIpv4(last)) return false
    groups.splice(-1, 1, '0', '0')
  }
  const count = halves.length === 2 ? groups.length <= 7 : groups.length === 8
  return count && groups.every(group => /^[0-9a-f]{1,4}$/.test(group))
}
