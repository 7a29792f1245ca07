// Who stands behind signed bytes: their own signature and the cosignatures beside it (`signSshsig` over the same payload),
// counted as distinct operators.
import { hex } from './bytes.ts'
import { type Refusal, refused } from './errors.ts'
import { fingerprint } from './keys.ts'
import { maySign, type Operator } from './operators.ts'
import { checkSshsig, type Namespace, readSshsig, type Sshsig } from './sshsig.ts'
import type { Trust } from './trust.ts'

/** The operator who signed, if the signature is good and the operator may sign in the namespace. `both`: see checkSshsig. */
export function signerOf(
  signature: Sshsig,
  payload: Uint8Array,
  operators: readonly Operator[],
  namespace: Namespace,
  both = true,
): Operator | Refusal {
  const operator = maySign(operators, signature.key, namespace)
  if (!operator)
    return refused('SIGNER_UNKNOWN', `${fingerprint(signature.key)} may not sign in namespace ${namespace}`)
  return checkSshsig(signature, namespace, payload, both)
    ? operator
    : refused('SIGNATURE_BAD', `that of ${operator.principal} (${fingerprint(signature.key)})`)
}

/**
 * The distinct keys, in hex, that stand behind the payload: the first signature's, which `signerOf` found good, and those
 * of good cosignatures by `candidates`. Others are passed over: anybody on the way can add one.
 */
export function signerKeys(
  first: Sshsig,
  cosigs: readonly Uint8Array[],
  payload: Uint8Array,
  candidates: readonly Operator[],
  namespace: Namespace,
): ReadonlySet<string> {
  const keys = new Set([hex(first.key)])
  for (const each of cosigs.map(readSshsig))
    if (each && !keys.has(hex(each.key)) && maySign(candidates, each.key, namespace))
      if (checkSshsig(each, namespace, payload)) keys.add(hex(each.key))
  return keys
}

/** Whether as many operators of a trust version stand behind the payload as its policy asks for. */
export function checkThreshold(
  { operators, policy }: Trust,
  keys: ReadonlySet<string>,
  namespace: Namespace,
): Refusal | undefined {
  const count = operators.filter(
    each => keys.has(hex(each.key)) && each.namespaces.includes(namespace),
  ).length
  if (count >= policy.threshold) return undefined
  return refused('THRESHOLD_NOT_MET', `found ${count}; expected ${policy.threshold}`)
}
