// Operators' key files with a passphrase: unlocked to the plain form that signing/keys.ts reads, and locked again. sshpk
// does the cryptography of the file, and is loaded only when there is a passphrase.
import { type KeyFile, readKeyFile } from '../signing/keys.ts'

/**
 * The key of a locked file. A wrong passphrase, or a file that sshpk cannot read, is `bad` with the reason; a file
 * without passphrase opens whatever is said.
 */
export async function unlockKeyFile(file: string, passphrase: string): Promise<KeyFile> {
  const found = readKeyFile(file)
  if (found.kind !== 'locked') return found
  const { default: sshpk } = await import('sshpk')
  try {
    const key = sshpk.parsePrivateKey(file, 'ssh-private', { passphrase })
    return readKeyFile(key.toString('ssh-private'))
  } catch (error) {
    const wrong = error instanceof Error && /passphrase/i.test(error.message)
    return {
      kind: 'bad',
      why: wrong
        ? 'the passphrase is wrong'
        : `it cannot be unlocked: ${error instanceof Error ? error.message : error}`,
    }
  }
}

/** Puts a passphrase, not empty, on a key file that has none: the new content of the file. */
export async function lockKeyFile(file: string, passphrase: string): Promise<string> {
  const { default: sshpk } = await import('sshpk')
  const key = sshpk.parsePrivateKey(file, 'ssh-private')
  return key.toBuffer('ssh-private', { passphrase }).toString('latin1')
}
