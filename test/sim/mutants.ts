// Builds of the core with one promise broken on purpose, and the checker that must notice each. A mutant names the exact
// source text that is replaced; mutation.ts makes the build and runs it.

export interface Mutant {
  readonly name: string
  /** The one that must accuse it (sim/checkers/index.ts). */
  readonly checker: string
  readonly file: string
  /** Stands there exactly once. */
  readonly find: string
  readonly replace: string
  /** What is no longer so. */
  readonly why: string
  /** A seed that tells: the smallest world found that does. `npm run sim:mutants` looks for it anew. */
  readonly seed: number
}

export const mutants: readonly Mutant[] = [
  {
    name: 'any key signs',
    checker: 'never-unsigned',
    file: 'signing/cosign.ts',
    find: 'const operator = maySign(operators, signature.key, namespace)',
    replace: 'const operator = maySign(operators, signature.key, namespace) ?? operators[0]',
    why: 'who signed is not looked up among the operators',
    seed: 2,
  },
  {
    name: 'signatures are not checked',
    checker: 'never-unsigned',
    file: 'signing/cosign.ts',
    find: 'return checkSshsig(signature, namespace, payload, both)\n    ? operator',
    replace: 'return checkSshsig(signature, namespace, payload, both) || true\n    ? operator',
    why: "an operator's name is enough, whatever the signature is of",
    seed: 2,
  },
  {
    name: 'the floor is not read',
    checker: 'above-floor',
    file: 'node/peer.ts',
    find: 'return best === undefined ? { point: checkpoint, lost: true } : { point: best, lost: false }',
    replace: 'return { point: checkpoint, lost: false }',
    why: 'at a start the join string counts, whatever was accepted since',
    seed: 1,
  },
  {
    name: 'the floor holds nothing back',
    checker: 'above-floor',
    file: 'signing/chain.ts',
    find: 'if (floorHere && reached < floorHere.sequence)',
    replace: 'if (floorHere && reached < floorHere.sequence && false)',
    why: 'a log that is shorter than the floor starts releases',
    seed: 1,
  },
  {
<<<<<<< HEAD
=======
    name: 'what is here is run first',
    checker: 'above-floor',
    file: 'node/agent.ts',
    find: 'const decision = this.#decide(target, nowMs)\n    this.#decision = decision\n    if (decision',
    replace:
      'const older = this.#log.releases(3).find(each => this.#supply.holds(each) && each.id !== this.#inForce)\n' +
      "    const overtaken = older !== undefined && older.id !== target?.id && this.#decide(older, nowMs).kind === 'go'\n" +
      "    if (overtaken) {\n      this.#running = older.id\n      this.#reporter.started(older.id)\n      effects.push({ kind: 'apply', entry: older })\n      return\n    }\n" +
      '    const decision = this.#decide(target, nowMs)\n    this.#decision = decision\n    if (decision',
    why: 'the newest release whose pack is here is run while that of a newer one is fetched',
    seed: 33,
  },
  {
>>>>>>> 4fe3c02777f894c72f3462a6a3430e0edfa1faa4
    name: 'runs do not wait for each other',
    checker: 'one-run',
    file: 'node/rollout.ts',
    find: "['running', at => (at.running ? 'a run is under way' : undefined)],",
    replace: '',
    why: 'the gate `running` is always open',
    seed: 33,
  },
  {
    name: 'a retry forgets the run',
    checker: 'one-run',
    file: 'node/agent.ts',
    find: "case 'retry':\n        this.#retry = undefined",
    replace: "case 'retry':\n        this.#running = undefined\n        this.#retry = undefined",
    why: '`fleet apply --agent` begins a run beside the one under way',
    seed: 1,
  },
  {
    name: 'files do not come back',
    checker: 'journal-consistent',
    file: 'node/host/revert.ts',
    find: '} else if (intent.first && comeBack(',
    replace: "} else if (intent.first && intent.kind !== 'put' && comeBack(",
    why: 'an undo leaves the files that a run had written',
    seed: 8,
  },
  {
    name: 'what a crash cut short stays',
    checker: 'journal-consistent',
    file: 'node/host/main.ts',
    find: 'recover: () =>',
    replace: 'recover: async () => ({ leftBehind: [], dirty: [] }),\n    recoverNever: () =>',
    why: 'an open run is not taken back at the start',
    seed: 186,
  },
  {
    name: 'the journal is not flushed',
    checker: 'journal-consistent',
    file: 'node/host/record.ts',
    find: "machine.append('journal', whole, durable)",
    replace: "machine.append('journal', whole, false)",
    why: 'a power cut takes what a run was about to do, and that it did it',
    seed: 186,
  },
  {
    name: 'refusals are all remembered',
    checker: 'bounded',
    file: 'node/log.ts',
    find: 'if (this.#refused.size > refusedMax && oldest !== undefined) this.#refused.delete(oldest)',
    replace: 'void oldest\n    void refusedMax',
    why: 'whoever sends forgeries fills the memory',
    seed: 2,
  },
  {
    name: 'all that is asked for is served at once',
    checker: 'bounded',
    file: 'node/driver.ts',
    find: 'if (waiting >= limits.packAnswersWaiting) return',
    replace: '',
    why: 'answers to one peer pile up without end',
    seed: 128,
  },
  {
    name: 'content is not compared',
    checker: 'quarantined',
    file: 'node/git.ts',
    find: 'if (claim.content !== undefined && release.content !== claim.content)',
    replace: 'if (claim.content !== undefined && release.content !== claim.content && false)',
    why: 'files other than those signed are installed',
    seed: 100,
  },
  {
    name: 'what is refused is kept',
    checker: 'quarantined',
    file: 'node/git.ts',
    find: "if (claim.content !== undefined && release.content !== claim.content)\n      return refuse('PACK_CONTENT',",
    replace:
      'const differs = claim.content !== undefined && release.content !== claim.content\n' +
      '    if (differs && !under) place(path, { commit, base, digest, size }, checked)\n' +
      "    if (differs)\n      return refuse('PACK_CONTENT',",
    why: 'the repository holds a pack whose content is not what was signed',
    seed: 100,
  },
  {
    name: 'forgeries are passed on',
    checker: 'relays-valid',
    file: 'node/agent.ts',
    find: "return [verdict(taken.hostile ? 'reject' : 'ignore'), ...effects]",
    replace: "return [verdict(taken.hostile ? 'accept' : 'ignore'), ...effects]",
    why: 'neighbours get entries that were refused here',
    seed: 2,
  },
  {
    name: 'statuses are not checked',
    checker: 'relays-valid',
    file: 'signing/status.ts',
    find: 'if (!verifyStrict(status.host, concat(domain, body), signature))',
    replace: 'if (signature.length !== 64)',
    why: 'anybody speaks for any host, and all pass it on',
    seed: 2,
  },
  {
    name: 'the counter begins anew',
    checker: 'counter',
    file: 'node/peer.ts',
    find: 'counter: new Counter(await readNumber(durable, files.counter)),',
    replace: 'counter: new Counter(0),',
    why: 'what was reserved is forgotten at a start',
    seed: 33,
  },
  {
    name: 'less is reserved than used',
    checker: 'counter',
    file: 'node/status.ts',
    find: 'return { n, reserve: this.#reserved }',
    replace: 'return { n, reserve: n }',
    why: 'a block is used of which the disk knows one number',
    seed: 33,
  },
  {
    name: 'what comes last wins',
    checker: 'merge',
    file: 'node/status.ts',
    find: 'if (row !== undefined && status.n <= row.status.n) {',
    replace: 'if (row !== undefined && status.n === row.status.n) {',
    why: 'a lower counter takes the place of a higher one',
    seed: 33,
  },
  {
    name: 'the later clock wins',
    checker: 'merge',
    file: 'node/status.ts',
    find: 'if (row !== undefined && status.n <= row.status.n) {',
    replace: 'if (row !== undefined && (status.at < row.status.at || status.n === row.status.n)) {',
    why: "which status is newer is left to the hosts' clocks",
    seed: 132,
  },
  {
    name: 'nothing that is missing is given',
    checker: 'converges',
    file: 'gossip/spread.ts',
    find: 'if (entries.length === 0) return []',
    replace: 'if (entries.length >= 0) return []',
    why: 'entries that gossip lost are not answered by sync',
    seed: 33,
  },
  {
    name: 'forks do not end',
    checker: 'converges',
    file: 'signing/chain.ts',
    find: 'for (const [each, fork] of forks) if (fork.sequence < settled && forks.delete(each)) dropped.add(each)',
    replace: '',
    why: 'an entry with Drops ends no fork that is known',
    seed: 100,
  },
  {
    name: 'the genesis is not given',
    checker: 'late-joiner',
    file: 'node/log.ts',
    find: 'const later = this.entries().filter(each => each.sequence > sequence)',
    replace: 'const later = this.entries().filter(each => each.sequence > Math.max(1, sequence))',
    why: 'who has nothing gets the log without its beginning',
    seed: 24,
  },
  {
    name: 'only those on a roster are let in',
    checker: 'late-joiner',
    file: 'node/admission.ts',
    find: "if (standing !== 'unknown') return 'member'",
    replace: "if (standing === 'rostered') return 'member'",
    why: 'who has no roster yet trusts nobody enough to hear of one',
    seed: 24,
  },
  {
    name: 'who stalls is not left',
    checker: 'fetch-ends',
    file: 'gossip/fetch.ts',
    find: 'return nowMs - job.progressMs >= limits.packStallMs ? leave(job, nowMs) : []',
    replace: 'return []',
    why: 'a peer that answers nothing is waited for without end',
    seed: 188,
  },
]
