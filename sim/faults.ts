// The closed list of what may go wrong, and the script of one run: dice decide once which faults strike when and whom
// (draw.ts); what happens then follows from the script alone, so that a run can be replayed, cut down and kept.

/** What a kind of fault is about; a seed switches whole classes off (swarm testing, Groce et al. 2012). */
export const faultClasses = [
  'network',
  'partition',
  'host',
  'disk',
  'clock',
  'apply',
  'content',
  'hostile',
  'operator',
] as const
export type FaultClass = (typeof faultClasses)[number]

export interface FaultKindSpec {
  readonly class: FaultClass
  /** Has an end (`untilMs`); else it is a moment. */
  readonly lasts: boolean
  /** What `amount` means, with its unit; absent: it has none. */
  readonly amount?: string
  /** Values of `mode`; absent: it has none. */
  readonly modes?: readonly string[]
  readonly text: string
}

const partitionModes = ['drop', 'slow', 'jam'] as const

export const faultKinds = {
  // network: on all links of the hosts named, or on all links
  loss: { class: 'network', lasts: true, amount: 'share of gossip lost', text: 'messages are lost' },
  burst: {
    class: 'network',
    lasts: true,
    amount: 'mean ms of a silence',
    text: 'messages are lost in bursts',
  },
  duplicate: { class: 'network', lasts: true, amount: 'share delivered twice', text: 'messages come twice' },
  reorder: { class: 'network', lasts: true, amount: 'share held back', text: 'messages overtake each other' },
  replay: {
    class: 'network',
    lasts: true,
    amount: 'share repeated minutes later',
    text: 'old messages come again',
  },
  corrupt: { class: 'network', lasts: true, amount: 'share with a flipped byte', text: 'bytes are flipped' },
  rate: { class: 'network', lasts: true, amount: 'bytes a second', text: 'links are slow' },
  clog: { class: 'network', lasts: true, text: 'links hold everything back, then let go' },
  halfOpen: { class: 'network', lasts: true, text: 'one side takes a dead connection for alive' },
  undialable: { class: 'network', lasts: true, text: 'nobody can dial them' },
  breaks: { class: 'network', lasts: true, amount: 'share of messages', text: 'connections break' },
  // partitions: `hosts` are one side
  isolate: { class: 'partition', lasts: true, modes: partitionModes, text: 'one host is cut off' },
  halves: { class: 'partition', lasts: true, modes: partitionModes, text: 'two halves' },
  minority: { class: 'partition', lasts: true, modes: partitionModes, text: 'a third is cut off' },
  ring: {
    class: 'partition',
    lasts: true,
    modes: partitionModes,
    text: 'each sees a majority, none the same',
  },
  bridge: { class: 'partition', lasts: true, modes: partitionModes, text: 'two parts meet in one host' },
  asymmetric: { class: 'partition', lasts: true, text: 'they are heard, and hear nothing' },
  swizzle: { class: 'partition', lasts: true, text: 'cut off one by one, back in another order' },
  // hosts
  kill: { class: 'host', lasts: true, text: 'power is cut, and comes back' },
  restart: { class: 'host', lasts: false, text: 'the agent is killed and starts again' },
  hang: { class: 'host', lasts: true, text: 'all processes hang' },
  clone: { class: 'host', lasts: true, text: 'a second machine runs with the same key and disk' },
  reimage: { class: 'host', lasts: false, text: 'the disk is new, the key the old one' },
  restore: {
    class: 'host',
    lasts: false,
    amount: 'ms of age',
    text: 'the disk, or the log on it, is an old copy',
  },
  absent: { class: 'host', lasts: true, text: 'off all through' },
  storm: { class: 'host', lasts: false, text: 'many start at one moment' },
  // disks
  full: { class: 'disk', lasts: true, text: 'the disk is full' },
  errors: { class: 'disk', lasts: true, amount: 'share of writes', text: 'writes fail' },
  lost: { class: 'disk', lasts: true, text: 'a power cut loses or tears what was not flushed' },
  flip: { class: 'disk', lasts: false, text: 'a bit of a kept file flips' },
  slowDisk: { class: 'disk', lasts: true, amount: 'ms for each write', text: 'the disk is slow' },
  // clocks
  offset: { class: 'clock', lasts: true, amount: 'ms', text: 'the clock is wrong' },
  drift: { class: 'clock', lasts: true, amount: 'parts in a million', text: 'the clock runs fast or slow' },
  step: { class: 'clock', lasts: false, amount: 'ms', text: 'the clock jumps' },
  frozen: { class: 'clock', lasts: true, text: 'the clock stands still' },
  // applying: what the next release does to these hosts
  applyFails: { class: 'apply', lasts: true, text: 'a step fails' },
  applyHangs: { class: 'apply', lasts: true, amount: 'ms', text: 'a command hangs' },
  applyThenFails: { class: 'apply', lasts: true, text: 'it works, and a check fails during the soak' },
  cutsOff: { class: 'apply', lasts: true, text: 'the release cuts the host off' },
  killsAgent: { class: 'apply', lasts: true, text: 'the agent or its machine dies in the middle of the run' },
  breaksRole: { class: 'apply', lasts: true, text: 'the release breaks all hosts of one label' },
  driftsBack: { class: 'apply', lasts: false, text: 'somebody edits a managed file' },
  // what operators publish
  corruptPack: { class: 'content', lasts: true, text: 'who serves a pack sends wrong bytes' },
  missingPack: { class: 'content', lasts: true, text: 'holders of a pack deny it, or do not answer' },
  hugePack: { class: 'content', lasts: false, text: 'a release comes with a pack over the limit' },
  expired: { class: 'content', lasts: false, text: 'a release is published that has expired' },
  wrongContent: { class: 'content', lasts: false, text: 'a release is signed for other files than it has' },
  // enrolled hosts that do what they like
  forged: { class: 'hostile', lasts: true, text: 'entries and statuses signed by nobody' },
  replayed: { class: 'hostile', lasts: true, text: 'old entries and statuses again and again' },
  rewrapped: { class: 'hostile', lasts: true, text: 'true entries in other armour' },
  equivocate: { class: 'hostile', lasts: true, text: 'two statuses under one counter' },
  falseHealthy: { class: 'hostile', lasts: true, text: 'they say HEALTHY whatever is so' },
  falseFailed: { class: 'hostile', lasts: true, text: 'they say FAILED whatever is so' },
  withhold: { class: 'hostile', lasts: true, text: 'they pass nothing on' },
  flood: {
    class: 'hostile',
    lasts: true,
    amount: 'messages a second',
    text: 'they send as much as they can',
  },
  future: { class: 'hostile', lasts: true, amount: 'ms ahead', text: 'their statuses come from the future' },
  // operators
  supersede: { class: 'operator', lasts: false, text: 'a second release before the first has arrived' },
  fork: { class: 'operator', lasts: false, text: 'two releases signed with one sequence' },
  rollback: { class: 'operator', lasts: false, text: 'back to the release before' },
  roster: { class: 'operator', lasts: false, text: 'a host is withdrawn' },
  halt: { class: 'operator', lasts: false, text: 'the newest release is halted' },
  resume: { class: 'operator', lasts: false, text: 'its halts are cleared' },
  promote: { class: 'operator', lasts: false, text: 'its stages are opened by an order' },
  retry: { class: 'operator', lasts: false, text: 'hosts that failed are let try again' },
} as const satisfies Record<string, FaultKindSpec>

export type FaultKind = keyof typeof faultKinds

/** One thing that goes wrong. All kinds have one shape: what is cut down, printed and drawn need not know them. */
export interface Fault {
  readonly kind: FaultKind
  /** ms since the world began. */
  readonly atMs: number
  /** Kinds that last; at the latest the beginning of the second phase. */
  readonly untilMs?: number
  /** Indexes of the hosts that are struck; empty: all. */
  readonly hosts: readonly number[]
  readonly amount?: number
  readonly mode?: string
}

/** All that a run depends on besides the code; what `fleet sim --replay FILE` reads. */
export interface Scenario {
  readonly format: 1
  readonly seed: number
  readonly hosts: number
  /** ms of the first phase, in which anything may break. */
  readonly faultsMs: number
  /** ms within which the healed core must converge after it. */
  readonly healMs: number
  /** Releases that operators publish, besides those of faults: when, and through which host's neighbourhood. */
  readonly releases: readonly { readonly atMs: number; readonly at: number }[]
  /** Hosts that are healed for good at the end of the first phase; the others stay as they are. */
  readonly core: readonly number[]
  readonly faults: readonly Fault[]
  /** Stages of releases, as `rollout.stages` of fleet.toml; absent: one stage of all hosts. */
  readonly stages?: string
  /** Seconds that hosts soak a release in stages. */
  readonly soakSeconds?: number
}
