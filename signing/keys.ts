// Ed25519 keys in the spellings that others know: OpenSSH public lines, private key files, fingerprints, libp2p peer
// ids. Files with a passphrase are the command line's (cli/keyfile.ts); where keys come from is the caller's.
import { base58btc } from 'multiformats/bases/base58'
import { base64, concat, equal, text, uint32, unbase64, unhex, utf8 } from './bytes.ts'
import { isPlainPoint, publicKeyOf, sha256 } from './crypto.ts'
import { sshReader, sshString } from './ssh.ts'

/** libp2p's name for a key, `12D3KooW…`: base58btc of the identity multihash of the protobuf key. */
export type PeerId = string & { readonly brand: 'PeerId' }

export interface PublicLine {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** What follows the key on the line; '' when nothing does. */
  readonly comment: string
}

export interface PrivateKey extends PublicLine {
  /** 32 bytes: RFC 8032's private key. */
  readonly seed: Uint8Array
}

const algorithm = 'ssh-ed25519'

/** OpenSSH's public key blob: the algorithm's name and the key. */
export function keyBlob(key: Uint8Array): Uint8Array {
  return concat(sshString(algorithm), sshString(key))
}

/** The 32 bytes of an Ed25519 key blob; undefined for other algorithms, and for points nobody can own. */
export function blobKey(blob: Uint8Array): Uint8Array | undefined {
  const reader = sshReader(blob)
  const name = reader.string()
  const key = reader.string()
  if (name === undefined || key === undefined || reader.rest().length > 0) return undefined
  return text(name) === algorithm && key.length === 32 && isPlainPoint(key) ? key : undefined
}

/** The Base64 word of a public line. */
export function keyWord(key: Uint8Array): string {
  return base64(keyBlob(key))
}

/** The key of a Base64 word; undefined when it is not Ed25519. */
export function wordKey(word: string): Uint8Array | undefined {
  const blob = unbase64(word)
  return blob && blobKey(blob)
}

/** `ssh-ed25519 BASE64 [comment]`, without a newline. */
export function writePublicLine({ key, comment }: PublicLine): string {
  return [algorithm, keyWord(key), ...(comment === '' ? [] : [comment])].join(' ')
}

/** Reads the content of a `.pub` file: one line, the newline may be missing; undefined when it is none. */
export function readPublicLine(line: string): PublicLine | undefined {
  const match = /^ssh-ed25519 ([A-Za-z0-9+/=]+)(?: ([^\r\n]*))?\n?$/.exec(line)
  const key = match && wordKey(match[1]!)
  return key ? { key, comment: match[2] ?? '' } : undefined
}

/** `SHA256:…`, as `ssh-keygen -l` prints it. */
export function fingerprint(key: Uint8Array): string {
  return `SHA256:${base64(sha256(keyBlob(key))).replace(/=+$/, '')}`
}

// Multihash identity, 36 bytes; protobuf: type (1) Ed25519 (1), data (2) of 32 bytes.
const peerHead = unhex('002408011220')!

export function peerIdOf(key: Uint8Array): PeerId {
  return base58btc.baseEncode(concat(peerHead, key)) as PeerId
}

/** The key behind a peer id; undefined when it is not the id of an Ed25519 key. */
export function peerKey(id: string): Uint8Array | undefined {
  if (id.length !== 52 || !id.startsWith('12D3KooW')) return undefined
  try {
    const bytes = base58btc.baseDecode(id)
    const key = bytes.slice(peerHead.length)
    return equal(bytes.subarray(0, peerHead.length), peerHead) && key.length === 32 ? key : undefined
  } catch {
    return undefined // not base58
  }
}

const magic = utf8('openssh-key-v1\0')
const fileBegin = '-----BEGIN OPENSSH PRIVATE KEY-----'
const fileEnd = '-----END OPENSSH PRIVATE KEY-----'
/** Bytes of a private key file; OpenSSH's own are about 400. */
const fileBytesMax = 16_384

/** An OpenSSH private key file without a passphrase (PROTOCOL.key), as `ssh-keygen` writes it. */
export function writeKeyFile({ seed, comment }: Pick<PrivateKey, 'seed' | 'comment'>): string {
  const key = publicKeyOf(seed)
  // The check number only tells a wrong passphrase; there is none, so it may follow from the key.
  const check = sha256(key).subarray(0, 4)
  const secret = concat(
    check,
    check,
    sshString(algorithm),
    sshString(key),
    sshString(concat(seed, key)),
    sshString(comment),
  )
  const padding = Uint8Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, at) => at + 1)
  const body = concat(
    magic,
    sshString('none'),
    sshString('none'),
    sshString(''),
    uint32(1),
    sshString(keyBlob(key)),
    sshString(concat(secret, padding)),
  )
  const lines = base64(body).match(/.{1,70}/g) ?? []
  return [fileBegin, ...lines, fileEnd, ''].join('\n')
}

export type KeyFile =
  | ({ readonly kind: 'key' } & PrivateKey)
  /** It needs a passphrase; whose key it is can be read without. */
  | { readonly kind: 'locked'; readonly key: Uint8Array }
  | { readonly kind: 'bad'; readonly why: string }

/** Reads an OpenSSH private key file. */
export function readKeyFile(file: string): KeyFile {
  if (file.length > fileBytesMax) return bad(`it is larger than ${fileBytesMax} bytes`)
  const lines = file.replace(/\r?\n$/, '').split(/\r?\n/)
  if (lines[0] !== fileBegin || lines.at(-1) !== fileEnd)
    return bad(`it must begin with ${fileBegin} and end likewise`)
  const body = unbase64(lines.slice(1, -1).join(''))
  if (body === undefined) return bad('what stands between its first and last line is not Base64')
  const reader = sshReader(body)
  const head = reader.take(magic.length)
  if (head === undefined || !equal(head, magic)) return bad('it is not of the form openssh-key-v1')
  const [cipher, , , count] = [reader.string(), reader.string(), reader.string(), reader.uint32()]
  if (count !== 1) return bad('it must hold exactly one key')
  const blob = reader.string()
  const key = blob && blobKey(blob)
  if (key === undefined) return bad('its key is not an Ed25519 key; make one with fleet key new')
  const secret = reader.string()
  if (secret === undefined || reader.rest().length > 0) return bad('it is cut short or has bytes at the end')
  return text(cipher!) === 'none' ? readSecret(secret, key) : { kind: 'locked', key }
}

function readSecret(secret: Uint8Array, key: Uint8Array): KeyFile {
  const reader = sshReader(secret)
  const [check, again] = [reader.uint32(), reader.uint32()]
  const [name, own, pair, comment] = [reader.string(), reader.string(), reader.string(), reader.string()]
  const padding = reader.rest()
  if (check === undefined || check !== again || name === undefined || text(name) !== algorithm)
    return bad('its private part is damaged')
  if (own === undefined || pair === undefined || comment === undefined || pair.length !== 64)
    return bad('its private part is cut short')
  const seed = pair.slice(0, 32)
  if (![own, pair.slice(32), publicKeyOf(seed)].every(each => equal(each, key)))
    return bad('its private part belongs to another public key')
  if (padding.length > 255 || padding.some((byte, at) => byte !== at + 1))
    return bad('its padding is damaged')
  return { kind: 'key', seed, key, comment: text(comment) ?? '' }
}

function bad(why: string): KeyFile {
  return { kind: 'bad', why }
}
