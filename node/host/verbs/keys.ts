// The lines of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT): whether sshd could read each. Whom a key
// lets in, and with which options, is the operator's affair.

const types = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]

/** sshd reads no longer lines (8 KiB, SSH_MAX_PUBKEY_BYTES). */
const lineCharsMax = 8192

export interface Fault {
  /** In characters, from the start of the text. */
  readonly offset: number
  readonly message: string
}

/** One for each line that is no key; empty lines and comments are fine. */
export function checkKeys(text: string): readonly Fault[] {
  let offset = 0
  return text.split('\n').flatMap(line => {
    const at = offset
    offset += line.length + 1
    const message = checkLine(line)
    return message === undefined ? [] : [{ offset: at, message }]
  })
}

function checkLine(line: string): string | undefined {
  const text = line.trim()
  if (text === '' || text.startsWith('#')) return undefined
  if (/PRIVATE KEY/.test(text))
    return 'found a private key; expected public ones: this key is burnt, make a new one'
  if (text.length > lineCharsMax)
    return `found a line of ${text.length} characters; expected at most ${lineCharsMax}`
  const key = types.some(type => text.startsWith(`${type} `)) ? text : withoutOptions(text)
  if (key === undefined) return 'found options without a key; expected a key after them, or a closing quote'
  const [type, blob] = key.split(/[ \t]+/)
  if (!types.includes(type!))
    return `found ${JSON.stringify(type!.slice(0, 60))}; expected the type of a key, such as ssh-ed25519`
  const bytes = decode(blob ?? '')
  return bytes !== undefined && nameIn(bytes) === type
    ? undefined
    : `found ${type} with a key that is cut or of another type; expected one as in a .pub file`
}

/** Options end at the first blank outside of double quotes; a quote inside is escaped. */
function withoutOptions(text: string): string | undefined {
  const match = /^(?:[^\s"]|"(?:\\"|[^"])*")+[ \t]+(\S.*)$/.exec(text)
  return match?.[1]
}

function decode(base64: string): Uint8Array | undefined {
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  try {
    return Uint8Array.from(atob(base64), each => each.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** The blob begins with its type (RFC 4253, section 6.6) and is made of whole strings: length in 4 bytes, then bytes. */
function nameIn(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer)
  let name: string | undefined
  let at = 0
  while (at + 4 <= bytes.length) {
    const end = at + 4 + view.getUint32(at)
    if (end > bytes.length) return undefined
    name ??= new TextDecoder().decode(bytes.subarray(at + 4, end))
    at = end
  }
  return at === bytes.length ? name : undefined
}
