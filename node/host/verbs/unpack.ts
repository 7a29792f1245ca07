// UNPACK: an archive of the repository, unpacked beside the versions before it, and a link that says which one counts.
import type { Act, Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { join } from '../system.ts'
import { edited, manifestPath, readManifest } from '../unpacked.ts'
import { adjust, ownershipOf, wrongType } from './observe.ts'
import { ownership, shown } from './values.ts'
import type { Declared, VerbSpec } from './verb.ts'

const suffixes = /\.(tar|tar\.gz|tgz|tar\.xz|txz|tar\.zst|tar\.bz2|tbz2)$/
const versionPattern = /^[A-Za-z0-9_+~][A-Za-z0-9._+~-]{0,127}$/
/** The whole archive is read at once when it is unpacked. Bytes. */
const archiveBytesMax = 512 * 1024 ** 2
const keepDefault = 2
const keepMax = 100

export const unpack: VerbSpec = {
  name: 'UNPACK',
  summary: 'Unpacks an archive into a directory of its own, and points the link `current` to it.',
  example: 'UNPACK files/shop-1.4.tar.gz /srv/shop version=1.4 strip=1',
  about: [
    'ARCHIVE, a tar file of the repository (plain, or compressed by gzip, xz, zstd or bzip2), is unpacked to DIR/VERSION; then the link DIR/current is set to VERSION in one rename. A service that uses DIR/current sees the old version or the new one, never a mixture; `RUN` or `SERVICE` with DIR/current among its paths restarts it.',
    'Versions that this step unpacked before stay beside it, so going back to one is a link switched, without unpacking: as many as keep= says, the newest first. The others are removed.',
    'A release carries files of at most 32 MiB. The archive is checked while it is unpacked, where nobody sees it yet: absolute names, `..`, links that lead outside, devices, setuid and setgid bits refuse it as ARCHIVE_UNSAFE; at most 200,000 members and 4 GiB. Owners in it do not count; modes do, without write permission for group and others.',
    'Each version holds a file `.fleet-unpacked` that lists its content. What an application writes belongs elsewhere, in /var/lib for instance: anything that is edited, added or removed in DIR/VERSION is drift.',
  ],
  leaves: 'Every version that the step unpacked goes, then the link and DIR; what was edited is left behind.',
  noticed:
    'The link and the version as a whole at once; edits inside by the audit, from names, sizes, modes and times: edited files then go to the drift store, and the version is unpacked anew beside it and put in its place.',
  args: [
    {
      name: 'ARCHIVE',
      kind: 'source',
      doc: 'A file of the repository: tar, tar.gz, tar.xz, tar.zst, tar.bz2.',
    },
    { name: 'DIR', kind: 'path', doc: 'Made if it is missing.' },
  ],
  options: {
    version: {
      kind: 'text',
      doc: "Name of the directory in DIR; default: the first 12 digits of the archive's SHA-256.",
    },
    strip: { kind: 'number', doc: 'Leading components of each name to leave out; default 0.' },
    keep: { kind: 'number', doc: `Older versions that stay beside the current one; default ${keepDefault}.` },
    ...ownership,
  },
  key: step => step.args[1]!,
  target: step => step.args[1]!,
  makes: 'directory',
  paths: step => {
    const dir = step.args[1]!
    return [
      dir,
      join(dir, 'current'),
      ...(versionOf(step) ? [placeOf(step), manifestPath(placeOf(step))] : []),
    ]
  },
  deep: true,
  undo: () => 'exact',
  check: ({ args, options: { version, strip, keep } }) => {
    if (!suffixes.test(args[0]!))
      return `found ${shown(args[0]!)}; expected .tar, .tar.gz, .tar.xz, .tar.zst or .tar.bz2 at its end`
    if (version !== undefined && (!versionPattern.test(version) || version === 'current'))
      return `found version=${shown(version)}; expected A-Z a-z 0-9 . _ + ~ -, and not current`
    if (Number(strip ?? 0) > 100) return `found strip=${strip}; expected at most 100`
    return Number(keep ?? 0) > keepMax ? `found keep=${keep}; expected at most ${keepMax}` : undefined
  },
}

/** Undefined: the digest of the archive is not known here. */
function versionOf({ options, payload }: Declared & Pick<Partial<Step>, 'payload'>): string | undefined {
  return options['version'] ?? payload?.sha256.slice(0, 12)
}

const placeOf = (step: Declared & Pick<Partial<Step>, 'payload'>) => join(step.args[1]!, versionOf(step)!)

export function planUnpack(step: Step, look: Look): Answer {
  const { payload, options } = step
  const dir = step.args[1]!
  if (payload === undefined)
    return { code: 'PAYLOAD_MISSING', path: dir, detail: `found no content for ${step.args[0]}` }
  if (payload.size > archiveBytesMax)
    return {
      code: 'TOO_LARGE',
      path: dir,
      detail: `found an archive of ${payload.size} bytes; expected at most ${archiveBytesMax}`,
    }
  const wanted = ownershipOf(step, 0o755, look)
  if ('code' in wanted) return wanted
  const acts: Act[] = []
  const stat = look.stat(dir)
  if (stat === undefined) acts.push({ kind: 'mkdir', path: dir, ownership: wanted })
  else if (stat.kind !== 'directory') return wrongType(dir, stat, 'a directory or nothing')
  else acts.push(...adjust(dir, stat, wanted))

  const place = placeOf(step)
  const strip = Number(options['strip'] ?? 0)
  const there = look.stat(place)
  const manifest = readManifest(look, place)
  if (there !== undefined && there.kind !== 'directory')
    return wrongType(place, there, 'a directory or nothing')
  if (there !== undefined && manifest === undefined && look.list(place).length > 0)
    return {
      code: 'WRONG_TYPE',
      path: place,
      detail: 'found a directory that UNPACK did not make; expected one that it made, or nothing',
    }
  const good =
    manifest?.archive === payload.sha256 &&
    manifest.strip === strip &&
    there?.mode === wanted.mode &&
    edited(look, place, manifest, wanted).length === 0
  if (!good) {
    if (there !== undefined) acts.push({ kind: 'remove', path: place })
    acts.push({ kind: 'unpack', path: place, payload, strip, ownership: wanted })
  }

  const current = join(dir, 'current')
  const link = look.stat(current)
  if (link?.kind === 'directory' || link?.kind === 'other')
    return wrongType(current, link, 'a link, a file or nothing')
  const target = versionOf(step)!
  const owned = { ...wanted, mode: undefined }
  if (link?.kind === 'link' && look.readlink(current) === target) acts.push(...adjust(current, link, owned))
  else acts.push({ kind: 'link', path: current, target, ownership: owned })

  for (const path of older(look, dir, place).slice(Number(options['keep'] ?? keepDefault)))
    acts.push({ kind: 'remove', path })
  return acts
}

/** The other versions that were unpacked here, the newest first. */
function older(look: Look, dir: string, place: string): readonly string[] {
  if (look.stat(dir) === undefined) return []
  return look
    .list(dir)
    .map(name => join(dir, name))
    .filter(path => path !== place && readManifest(look, path) !== undefined)
    .map(path => ({ path, atMs: look.stat(manifestPath(path))!.mtimeMs }))
    .sort((a, b) => b.atMs - a.atMs || (a.path < b.path ? 1 : -1))
    .map(({ path }) => path)
}
