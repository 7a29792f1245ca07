// Signatures as OpenSSH makes them (PROTOCOL.sshsig): blob, armour, signed bytes. It says by which key a message is
// signed; whether that key may is decided by those who know the operators.
import { base64, concat, equal, indexOf, text, unbase64, utf8 } from './bytes.ts'
import { publicKeyOf, sha256, sha512, sign, verifyStrict } from './crypto.ts'
import { blobKey, keyBlob } from './keys.ts'
import { sshReader, sshString } from './ssh.ts'

/** `git`: entries and their cosignatures; `fleet`: orders and delegations; `fleet-fresh`: fresh orders by that role. */
export type Namespace = 'git' | 'fleet' | 'fleet-fresh'

export interface Sshsig {
  /** 32 bytes. */
  readonly key: Uint8Array
  readonly namespace: string
  readonly hash: 'sha512' | 'sha256'
  /** 64 bytes. */
  readonly signature: Uint8Array
}

/** Who signs: a key and what it answers to bytes. An agent that answers later is called between the two halves,
 * `signedBytes` and `writeSshsig`. */
export interface Signer {
  readonly key: Uint8Array
  readonly sign: (bytes: Uint8Array) => Uint8Array
}

/** The signer of a seed held in memory. */
export function seedSigner(seed: Uint8Array): Signer {
  return { key: publicKeyOf(seed), sign: bytes => sign(seed, bytes) }
}

const magic = utf8('SSHSIG')
const version = 1

/** What Ed25519 signs for a message. */
export function signedBytes(
  namespace: string,
  message: Uint8Array,
  hash: Sshsig['hash'] = 'sha512',
): Uint8Array {
  const hashed = hash === 'sha512' ? sha512(message) : sha256(message)
  return concat(magic, sshString(namespace), sshString(''), sshString(hash), sshString(hashed))
}

/** The blob that carries a signature. */
export function writeSshsig({ key, namespace, hash, signature }: Sshsig): Uint8Array {
  return concat(
    magic,
    Uint8Array.of(0, 0, 0, version),
    sshString(keyBlob(key)),
    sshString(namespace),
    sshString(''),
    sshString(hash),
    sshString(concat(sshString('ssh-ed25519'), sshString(signature))),
  )
}

/** Reads a blob by an Ed25519 key; undefined for anything else. Says nothing about the signature's truth. */
export function readSshsig(blob: Uint8Array): Sshsig | undefined {
  const reader = sshReader(blob)
  const head = reader.take(magic.length)
  if (head === undefined || !equal(head, magic) || reader.uint32() !== version) return undefined
  const [keyPart, namespacePart, reserved] = [reader.string(), reader.string(), reader.string()]
  const [hashPart, signaturePart] = [reader.string(), reader.string()]
  if (!keyPart || !namespacePart || !hashPart || !signaturePart || reserved?.length !== 0) return undefined
  if (reader.rest().length > 0) return undefined
  const inner = sshReader(signaturePart)
  const [algorithm, signature] = [inner.string(), inner.string()]
  if (!algorithm || text(algorithm) !== 'ssh-ed25519' || signature?.length !== 64) return undefined
  if (inner.rest().length > 0) return undefined
  const [key, namespace, hash] = [blobKey(keyPart), text(namespacePart), text(hashPart)]
  if (!key || namespace === undefined || (hash !== 'sha512' && hash !== 'sha256')) return undefined
  return { key, namespace, hash, signature }
}

/** Signs a message: the blob. */
export function signSshsig(signer: Signer, namespace: Namespace, message: Uint8Array): Uint8Array {
  const signature = signer.sign(signedBytes(namespace, message))
  return writeSshsig({ key: signer.key, namespace, hash: 'sha512', signature })
}

/**
 * Whether the signature is its key's over this message in this namespace. Entries and orders bind: both verifiers, save
 * for what this host took before (`both` false): they agreed then.
 */
export function checkSshsig(sig: Sshsig, namespace: Namespace, message: Uint8Array, both = true): boolean {
  if (sig.namespace !== namespace) return false
  return verifyStrict(sig.key, signedBytes(namespace, message, sig.hash), sig.signature, { both })
}

const begin = '-----BEGIN SSH SIGNATURE-----\n'
const end = '-----END SSH SIGNATURE-----\n'
const columns = 70

/** The blob in its one armour (docs/formats.md section 2). */
export function armour(blob: Uint8Array): Uint8Array {
  const lines = base64(blob).match(new RegExp(`.{1,${columns}}`, 'g')) ?? []
  return utf8(`${begin}${lines.join('\n')}\n${end}`)
}

export interface Signed {
  /** All bytes before the armour: what is signed. */
  readonly payload: Uint8Array
  readonly blob: Uint8Array
}

/**
 * Parts signed bytes at the armour; undefined when there is none or it has another form than `armour` gives it:
 * re-wrapped, bytes after it, a second block.
 */
export function splitSigned(bytes: Uint8Array): Signed | undefined {
  const at = armourStart(bytes)
  if (at === undefined) return undefined
  const tail = text(bytes.subarray(at))
  if (!tail?.startsWith(begin) || !tail.endsWith(`\n${end}`)) return undefined
  const blob = unbase64(tail.slice(begin.length, -end.length).replaceAll('\n', ''))
  if (blob === undefined || !equal(armour(blob), bytes.subarray(at))) return undefined
  return { payload: bytes.slice(0, at), blob }
}

/** Joins what `splitSigned` parts. */
export function joinSigned({ payload, blob }: Signed): Uint8Array {
  return concat(payload, armour(blob))
}

/** Where the first line that begins an armour starts. */
function armourStart(bytes: Uint8Array): number | undefined {
  const needle = utf8(begin.trimEnd())
  if (equal(bytes.subarray(0, needle.length), needle)) return 0
  const at = indexOf(bytes, concat(Uint8Array.of(10), needle))
  return at < 0 ? undefined : at + 1
}
