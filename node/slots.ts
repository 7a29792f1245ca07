// Two slots for the agent itself: what the file `slots` says, when a new agent has proved that it lives, what may take
// the place of what. Pure; os-slots.ts reads and writes, packaging/launcher.sh starts one slot or the other.

export type Slot = 'a' | 'b'

/** Of a slot that is to take over. */
export interface Trial {
  readonly slot: Slot
  /** What its proof must say; new for each upgrade. */
  readonly id: string
  /** Starts so far, counted by the launcher before each. */
  readonly tries: number
  /** From a start to the proof. */
  readonly seconds: number
  /** How many hosts must be heard again. */
  readonly peers: number
  readonly version: string
}

export interface Slots {
  readonly current: Slot
  readonly trial?: Trial
  /** Why the last upgrade was taken back; the next that proves itself clears it. */
  readonly fell?: string
}

/** The agent's exit code that has the launcher start what is on trial. EX_TEMPFAIL of sysexits.h. */
export const handoverExit = 75
/** A start, an audit of everything and a few connections fit many times over. Seconds. */
export const trialSeconds = 300

const line = (text: string) => text.replace(/[\n\r]/g, ' ').slice(0, 400)

/** One `key=value` a line, as the launcher reads it. */
export function writeSlots({ current, trial, fell }: Slots): string {
  const rows: (readonly [string, string | number])[] = [['current', current]]
  if (trial) {
    const { slot, id, tries, seconds, peers, version } = trial
    rows.push(['trial', slot], ['id', id], ['tries', tries], ['seconds', seconds], ['peers', peers])
    rows.push(['version', version])
  }
  if (fell !== undefined) rows.push(['fell', fell])
  return rows.map(([key, value]) => `${key}=${line(String(value))}\n`).join('')
}

/** Undefined: no such file's text. Unknown keys are left out. */
export function readSlots(text: string): Slots | undefined {
  const pairs = text.split('\n').flatMap(each => /^([a-z]+)=(.*)$/.exec(each)?.slice(1, 3) ?? [])
  const value = (key: string) => {
    for (let at = 0; at < pairs.length; at += 2) if (pairs[at] === key) return pairs[at + 1]
    return undefined
  }
  const number = (key: string, standard: number) =>
    /^[0-9]{1,9}$/.test(value(key) ?? '') ? Number(value(key)) : standard
  const [current, slot, fell] = [value('current'), value('trial'), value('fell')]
  if (!isSlot(current)) return undefined
  const trial = isSlot(slot) && {
    slot,
    id: value('id') ?? '',
    tries: number('tries', 0),
    seconds: number('seconds', trialSeconds),
    peers: number('peers', 0),
    version: value('version') ?? '',
  }
  return { current, ...(trial && { trial }), ...(fell !== undefined && { fell }) }
}

const isSlot = (text: string | undefined): text is Slot => text === 'a' || text === 'b'

export const otherSlot = (slot: Slot): Slot => (slot === 'a' ? 'b' : 'a')

/**
 * How many hosts a new agent must hear: half of those that the old one heard, at least one if it heard any. Not all of
 * them: one that goes down meanwhile says nothing against the upgrade.
 */
export function peersWanted(heard: number): number {
  return Math.ceil(heard / 2)
}

export interface Life {
  /** What is in force could be read and planned; undefined: not yet. */
  readonly planned: boolean | undefined
  /** Hosts that were heard since the start. */
  readonly heard: number
}

/** What a new agent lacks, in words; undefined: it lives. */
export function lacking({ planned, heard }: Life, { peers }: Pick<Trial, 'peers'>): string | undefined {
  if (planned === undefined) return 'a plan of what is in force'
  if (!planned) return 'a plan of what is in force that succeeds'
  return heard >= peers ? undefined : `${peers - heard} of ${peers} hosts to be heard`
}

/** `1.10.0` after `1.9.2`; undefined where one is no version. What follows three numbers does not count. */
export function isOlder(version: string, than: string): boolean | undefined {
  const [a, b] = [version, than].map(each =>
    /^(\d{1,6})\.(\d{1,6})\.(\d{1,6})/.exec(each)?.slice(1).map(Number),
  )
  if (!a || !b) return undefined
  const at = a.findIndex((each, index) => each !== b[index])
  return at >= 0 && a[at]! < b[at]!
}
