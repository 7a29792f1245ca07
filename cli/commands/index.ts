// All commands, in the order in which `fleet --help` lists them. A command's module is loaded when it is typed.
import type { CommandSpec } from '../command.ts'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandSpec>
}

const at = async (module: Promise<{ readonly spec: CommandSpec }>) => (await module).spec

export const commands: readonly CommandEntry[] = [
  {
    name: 'init',
    summary: 'begin a fleet: key, repository, first declaration',
    load: () => at(import('./init.ts')),
  },
  { name: 'key', summary: 'make and show keys, and the join string', load: () => at(import('./key.ts')) },
  { name: 'fmt', summary: 'bring steps files into their canonical form', load: () => at(import('./fmt.ts')) },
  {
    name: 'check',
    summary: 'find what is wrong in the declaration, for every host',
    load: () => at(import('./check.ts')),
  },
  { name: 'plan', summary: 'show what apply would do here', load: () => at(import('./plan.ts')) },
  {
    name: 'apply',
    summary: 'bring this machine, or a directory, to the declared state',
    load: () => at(import('./apply.ts')),
  },
  {
    name: 'diff',
    summary: 'show what going from one revision to another would do',
    load: () => at(import('./diff.ts')),
  },
  { name: 'join', summary: 'make this host a member of a fleet', load: () => at(import('./join.ts')) },
  { name: 'enroll', summary: 'put a host on the roster', load: () => at(import('./enroll.ts')) },
  {
    name: 'publish',
    summary: 'sign what is committed, and hand it to the fleet',
    load: () => at(import('./publish.ts')),
  },
  {
    name: 'rollback',
    summary: 'go back to the content of an earlier release',
    load: () => at(import('./rollback.ts')),
  },
  {
    name: 'halt',
    summary: 'let no host begin with the newest release any more',
    load: () => at(import('./halt.ts')),
  },
  { name: 'resume', summary: 'clear the halts of the newest release', load: () => at(import('./resume.ts')) },
  {
    name: 'promote',
    summary: 'open stages of the newest release without waiting for evidence',
    load: () => at(import('./promote.ts')),
  },
  {
    name: 'retry',
    summary: 'let hosts that failed try the newest release again',
    load: () => at(import('./retry.ts')),
  },
  {
    name: 'fresh',
    summary: 'let hosts begin with the newest release for longer',
    load: () => at(import('./fresh.ts')),
  },
  {
    name: 'trial',
    summary: 'let a few hosts run any branch until a time',
    load: () => at(import('./trial.ts')),
  },
  {
    name: 'agent',
    summary: 'keep this host (runs until it is stopped)',
    load: () => at(import('./agent.ts')),
  },
  {
    name: 'peers',
    summary: 'show the fleet: every host, its release and state',
    load: () => at(import('./peers.ts')),
  },
  {
    name: 'rollout',
    summary: 'tell the story of a release: stages, evidence, decision',
    load: () => at(import('./rollout.ts')),
  },
  {
    name: 'status',
    summary: 'show this host: release, steps, drift, peers',
    load: () => at(import('./status.ts')),
  },
  {
    name: 'log',
    summary: 'show the operator log: releases, trust, refusals',
    load: () => at(import('./log.ts')),
  },
  {
    name: 'why',
    summary: 'say which step keeps a path, and since when',
    load: () => at(import('./why.ts')),
  },
  {
    name: 'drift',
    summary: 'list the hand edits that were undone, adopt one',
    load: () => at(import('./drift.ts')),
  },
  {
    name: 'edit',
    summary: 'edit a managed file, and declare what came out',
    load: () => at(import('./edit.ts')),
  },
  {
    name: 'pause',
    summary: 'repair nothing and take nothing for a while',
    load: () => at(import('./pause.ts')),
  },
  { name: 'unpause', summary: 'end a pause', load: () => at(import('./unpause.ts')) },
  {
    name: 'demo',
    summary: 'see all of it work on this machine, in a minute',
    load: () => at(import('./demo.ts')),
  },
  {
    name: 'sim',
    summary: 'simulate a fleet in which everything goes wrong',
    load: () => at(import('./sim.ts')),
  },
  { name: 'help', summary: 'explain a verb of the steps language', load: () => at(import('./help.ts')) },
]
