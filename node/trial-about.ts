// What the host's journal says of a trial that is in force: which order, which commit, and which release was in force before. In one
// text, durable with the run itself, so that no second file can disagree with it. Written and read; decides nothing.

export interface TrialInForce {
  /** The order's id. */
  readonly id: string
  readonly commit: string
  /** Id of the release that was in force before; undefined: none was. */
  readonly before: string | undefined
}

/** The id of a run, as the journal keeps it. That of a release is its entry's, 64 hex digits. */
export function writeTrialAbout({ id, commit, before }: TrialInForce): string {
  return `trial ${id} ${commit} ${before ?? '-'}`
}

/** Undefined: the run was no trial. */
export function readTrialAbout(about: string): TrialInForce | undefined {
  const match = /^trial ([0-9a-f]{64}) ([0-9a-f]{40}) ([0-9a-f]{64}|-)$/.exec(about)
  if (match === null) return undefined
  const [, id = '', commit = '', before = '-'] = match
  return { id, commit, before: before === '-' ? undefined : before }
}
