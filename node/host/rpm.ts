// What dnf and rpm write, read: queries, the table of a transaction, warnings, and the list of held packages in dnf.conf.
// Pure. Running them is left to linux-dnf.ts.
import type { Movement, PackageState, Packages } from './packages.ts'

/** What `repoquery` is to print of each package: a line with tabs. */
export const installedFormat = '%{name}\\t%{epoch}:%{version}-%{release}\\t%{arch}\\t%{reason}\\n'
export const offeredFormat = '%{name}\\t%{epoch}:%{version}-%{release}\\t%{arch}\\n'

/** An epoch of 0 is left out, as dnf does in its tables. */
const evr = (text: string) => text.replace(/^(0|\(none\)):/, '')

/** `native`: the machine's architecture; packages of others are `name:arch`. Of several versions the last one counts. */
export function parseInstalled(output: string, native: string, held: ReadonlySet<string>): Packages {
  const found = new Map<string, PackageState>()
  for (const line of output.split('\n')) {
    const [name = '', version, arch, reason] = line.split('\t')
    if (!version || !arch || reason === undefined || name === 'gpg-pubkey') continue
    const key = plainName(`${name}:${arch}`, native)
    found.set(key, { version: evr(version), held: held.has(key), automatic: /dependency/.test(reason) })
  }
  return found
}

/** Newest first, by name. */
export function parseOffered(output: string, native: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const line of output.split('\n')) {
    const [name, version, arch] = line.split('\t')
    if (!name || !version || !arch) continue
    const key = plainName(`${name}:${arch}`, native)
    const versions = found.get(key) ?? []
    if (!versions.includes(evr(version))) found.set(key, [...versions, evr(version)])
  }
  for (const versions of found.values()) versions.sort((a, b) => compareEvr(b, a))
  return found
}

export function plainName(name: string, native: string): string {
  const [plain = '', arch] = name.split(':')
  return arch === 'noarch' || arch === native ? plain : name
}

/** What the table before a transaction says: sections with packages, whose columns may be broken over lines. */
export function parseTable(output: string, now: Packages, native: string): readonly Movement[] {
  const movements: Movement[] = []
  const table = output.slice(0, Math.max(0, output.indexOf('\nTransaction Summary')))
  for (const [, title = '', body = ''] of table.matchAll(/^(\w[^\n]*):\n((?: +[^\n]*\n?)+)/gm)) {
    const kind = /^(Installing|Upgrading|Downgrading|Removing)/.exec(title)?.[1]
    if (kind === undefined) continue
    for (const [, plain, arch, version = ''] of body.matchAll(
      /(\S+)\s+(\S+)\s+(\S+)\s+\S+\s+[\d.]+(?:\s+[kMGT])?(?=\s|$)/g,
    )) {
      const name = plainName(`${plain}:${arch}`, native)
      const from = now.get(name)?.version
      movements.push({
        name,
        ...(from === undefined ? {} : { from }),
        ...(kind === 'Removing' ? {} : { to: version }),
      })
    }
  }
  return movements
}

/** Configuration files that rpm set aside: `warning: /etc/a saved as /etc/a.rpmsave`. */
export function parseSaved(output: string): readonly string[] {
  return [...output.matchAll(/ saved as (\/\S+\.rpmsave)$/gm)].map(match => match[1]!)
}

/** What went wrong; undefined: nothing. `dnf shell` ends with 0 in any case. */
export function parseFault(output: string): string | undefined {
  const at = output.search(/^(Error|RPM): (?!Operation aborted)/m)
  return at < 0 ? undefined : output.slice(at)
}

/** Bytes that the disk will hold more: `Installed size: 24 M`. */
export function parseSize(output: string): number {
  const match = /^Installed size: ([\d.]+) ?([kMGT]?)/m.exec(output)
  return match ? Number(match[1]) * 1024 ** ['', 'k', 'M', 'G', 'T'].indexOf(match[2]!) : 0
}

/** The packages that dnf is told to leave alone, without patterns. */
export function parseExcluded(config: string): readonly string[] {
  return [...config.matchAll(/^(?:excludepkgs|exclude)[ \t]*=[ \t]*(.*)$/gm)].flatMap(([, list = '']) =>
    list.split(/[\s,]+/).filter(each => each !== '' && !/[*?[]/.test(each)),
  )
}

/** The configuration with other packages excluded; patterns and all else stay. */
export function withExcluded(config: string, add: readonly string[], drop: readonly string[]): string {
  const there = /^(excludepkgs|exclude)[ \t]*=[ \t]*(.*)$/m.exec(config)
  const names = (there?.[2] ?? '').split(/[\s,]+/).filter(each => each !== '' && !drop.includes(each))
  const line = `excludepkgs=${[...new Set([...names, ...add])].join(' ')}`
  if (there) return config.replace(there[0], line)
  return /^\[main\]$/m.test(config)
    ? config.replace(/^\[main\]$/m, `[main]\n${line}`)
    : `[main]\n${line}\n${config}`
}

/** Negative: `a` is older. `epoch:version-release`, each part as rpm compares it (rpm-version(7)). */
export function compareEvr(a: string, b: string): number {
  const split = (text: string) => {
    const [, epoch = '0', version = '', release = ''] = /^(?:(\d+):)?(.*?)(?:-([^-]*))?$/s.exec(text)!
    return [epoch, version, release]
  }
  const [left, right] = [split(a), split(b)]
  return left.reduce((result, part, index) => result || comparePart(part, right[index]!), 0)
}

/** Runs of digits or letters count, and `~` (older than the end) and `^` (newer than the end, older than a run). */
function comparePart(a: string, b: string): number {
  const runs = (part: string) => part.match(/\d+|[A-Za-z]+|~|\^/g) ?? []
  const [left, right] = [runs(a), runs(b)]
  for (let at = 0; at < Math.max(left.length, right.length); at++) {
    const [one, other] = [left[at], right[at]]
    const order = rank(one) - rank(other)
    if (order !== 0) return order
    if (one === undefined || other === undefined || one === other) continue
    if (/\d/.test(one)) {
      const difference = BigInt(one) - BigInt(other)
      if (difference !== 0n) return difference < 0n ? -1 : 1
    } else return one < other ? -1 : 1
  }
  return 0
}

function rank(run: string | undefined): number {
  if (run === undefined) return 1
  if (run === '~') return 0
  if (run === '^') return 2
  return /\d/.test(run) ? 4 : 3
}
