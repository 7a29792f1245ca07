// Orders as operators make them, in the form in which they are stored and sent.
import { encode } from '../../signing/cbor.ts'
import { type Order, orderMap, sealOrder, writeOrder } from '../../signing/order.ts'
import { type Namespace, type Signer, signSshsig } from '../../signing/sshsig.ts'
import { anna } from '../signing/fleet.ts'

/** Signed by the first, cosigned by the others; `blob`: with that signature instead. */
export function envelopeOf(
  order: Order,
  signers: readonly Signer[] = [anna],
  namespace: Namespace = 'fleet',
  blob?: Uint8Array,
): Uint8Array {
  const payload = writeOrder(order)
  const [first, ...others] = signers.map(each => signSshsig(each, namespace, payload))
  return encode(orderMap({ order: sealOrder(payload, blob ?? first!), cosigs: others }))
}
