// One version of trust: the three files of trust/ read together, and the git tree that a trust entry tags. Which
// version is in force is decided by chain.ts.
import { concat, hex, unhex, utf8 } from './bytes.ts'
import { hasher, sha256 } from './crypto.ts'
import { type Operator, parseOperators } from './operators.ts'
import { type Policy, parsePolicy } from './policy.ts'
import { type Host, parseRoster } from './roster.ts'
import type { Parsed } from './trust-file.ts'

/** The bytes of trust/hosts, trust/operators, trust/policy. */
export interface TrustFiles {
  readonly hosts: Uint8Array
  readonly operators: Uint8Array
  readonly policy: Uint8Array
}

export interface Trust {
  readonly files: TrustFiles
  readonly operators: readonly Operator[]
  readonly roster: readonly Host[]
  readonly policy: Policy
}

/** Reads the three files; all problems of all of them, also that the threshold can be reached. */
export function readTrust(files: TrustFiles): Parsed<Trust> {
  const operators = parseOperators(files.operators)
  const roster = parseRoster(files.hosts)
  const policy = parsePolicy(files.policy)
  if (operators.kind === 'bad' || roster.kind === 'bad' || policy.kind === 'bad') {
    const problems = [operators, roster, policy].flatMap(each => (each.kind === 'bad' ? each.problems : []))
    return { kind: 'bad', problems }
  }
  const able = operators.value.filter(each => each.namespaces.includes('git')).length
  const { threshold } = policy.value
  if (able < threshold) {
    const message = `found ${able} operators who may sign entries; expected at least the threshold of ${threshold}`
    return { kind: 'bad', problems: [{ file: 'trust/policy', line: 1, column: 1, message }] }
  }
  return {
    kind: 'ok',
    value: { files, operators: operators.value, roster: roster.value, policy: policy.value },
  }
}

/** SHA-256 of each file in hex, as the trailers of a trust entry name them. */
export function trustDigests(files: TrustFiles): { operators: string; roster: string; policy: string } {
  const digest = (bytes: Uint8Array) => hex(sha256(bytes))
  return { operators: digest(files.operators), roster: digest(files.hosts), policy: digest(files.policy) }
}

export interface GitObject {
  /** 40 hex digits. */
  readonly id: string
  readonly type: 'blob' | 'tree'
  /** Without git's header. */
  readonly content: Uint8Array
}

/** The git objects of a tree that holds only trust/: three blobs, trust/ itself, and the root last. */
export function trustObjects(files: TrustFiles): readonly GitObject[] {
  const names = ['hosts', 'operators', 'policy'] as const // git's order
  const blobs = names.map(name => gitObject('blob', files[name]))
  const folder = gitObject('tree', concat(...blobs.map((blob, at) => treeRow('100644', names[at]!, blob))))
  return [...blobs, folder, gitObject('tree', treeRow('40000', 'trust', folder))]
}

/** The id of the tree that a trust entry tags, 40 hex digits. */
export function trustTree(files: TrustFiles): string {
  return trustObjects(files).at(-1)!.id
}

function gitObject(type: GitObject['type'], content: Uint8Array): GitObject {
  const hash = hasher('sha1')
    .update(utf8(`${type} ${content.length}\0`))
    .update(content)
  return { id: hex(hash.digest()), type, content }
}

function treeRow(mode: string, name: string, { id }: GitObject): Uint8Array {
  return concat(utf8(`${mode} ${name}\0`), unhex(id)!)
}
