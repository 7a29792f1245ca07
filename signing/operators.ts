// trust/operators: who may sign what, in OpenSSH's allowed_signers. Reads, writes, and answers for one key.
import { hex, utf8 } from './bytes.ts'
import { keyWord, wordKey } from './keys.ts'
import type { Namespace } from './sshsig.ts'
import { type Parsed, parseLines } from './trust-file.ts'

export interface Operator {
  /** 1 to 128 characters of `[A-Za-z0-9._@+-]`; once in a file. */
  readonly principal: string
  /** What the key may sign. Absent in the file: `git,fleet`. */
  readonly namespaces: readonly string[]
  /** 32 bytes; once in a file. */
  readonly key: Uint8Array
  /** '' when there is none. */
  readonly comment: string
}

const everything: readonly Namespace[] = ['git', 'fleet']

/** Parses trust/operators; `file` is the name that problems carry. */
export function parseOperators(bytes: Uint8Array, file = 'trust/operators'): Parsed<readonly Operator[]> {
  const operators: Operator[] = []
  const principals = new Set<string>()
  const keys = new Set<string>()
  return parseLines(file, bytes, operators, ({ words, wrong }) => {
    const [name, ...rest] = words
    const option = rest[0]?.text.startsWith('ssh-') ? undefined : rest.shift()
    const [type, word, ...comment] = rest
    if (!/^[A-Za-z0-9._@+-]{1,128}$/.test(name!.text))
      return wrong(name, 'a principal of 1 to 128 characters of A-Z a-z 0-9 . _ @ + -')
    if (principals.has(name!.text)) return wrong(name, 'each principal once')
    const listed = option && /^namespaces="([a-z0-9-]+(?:,[a-z0-9-]+)*)"$/.exec(option.text)
    if (option && !listed) return wrong(option, 'namespaces="git,fleet" or ssh-ed25519')
    if (type?.text !== 'ssh-ed25519') return wrong(type, 'ssh-ed25519')
    const key = word && wordKey(word.text)
    if (!key) return wrong(word, 'an Ed25519 public key in Base64')
    if (keys.has(hex(key))) return wrong(word, 'each key once')
    const namespaces = listed?.[1]?.split(',') ?? everything
    if (new Set(namespaces).size < namespaces.length) return wrong(option, 'each namespace once')
    principals.add(name!.text)
    keys.add(hex(key))
    operators.push({
      principal: name!.text,
      namespaces,
      key,
      comment: comment.map(each => each.text).join(' '),
    })
  })
}

/** The canonical text: one line an operator, in the order given. */
export function writeOperators(operators: readonly Operator[]): Uint8Array {
  const lines = operators.map(({ principal, namespaces, key, comment }) => {
    const option = namespaces.join() === everything.join() ? [] : [`namespaces="${namespaces.join()}"`]
    return [principal, ...option, 'ssh-ed25519', keyWord(key), ...(comment ? [comment] : [])].join(' ')
  })
  return utf8(lines.map(line => `${line}\n`).join(''))
}

/** The operator whose key this is, if it may sign in the namespace. */
export function maySign(
  operators: readonly Operator[],
  key: Uint8Array,
  namespace: Namespace,
): Operator | undefined {
  const id = hex(key)
  return operators.find(each => hex(each.key) === id && each.namespaces.includes(namespace))
}
