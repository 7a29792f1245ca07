// A report and an outcome of which only what a test is about is given.
import type { Outcome } from '../../sim/outcome.ts'
import type { Report } from '../../sim/report.ts'

export function report(some: Partial<Report> = {}): Report {
  return {
    format: 1,
    seed: 1,
    version: '0.0.0',
    ending: 'ok',
    violations: [],
    pending: [],
    traceHash: 'aa',
    hosts: ['h0', 'h1', 'h2'],
    observers: 3,
    engines: 3,
    simulatedMs: 1_000,
    events: 100,
    wallMs: 10,
    releases: [],
    traffic: {
      messagesIn: 0,
      messagesOut: 0,
      bytesIn: 0,
      bytesOut: 0,
      gossipIn: 0,
      gossipBytesIn: 0,
      verifications: 0,
      cpuMs: 0,
    },
    curve: { everyMs: 1_000, series: [], counts: [] },
    heat: [],
    faults: [],
    marks: {},
    queues: {},
    again: '',
    ...some,
  }
}

export function outcome(some: Partial<Outcome> = {}): Outcome {
  return {
    seed: 1,
    ending: 'ok',
    violations: [],
    pending: [],
    marks: {},
    traceHash: 'aa',
    wallMs: 10,
    queues: {},
    ...some,
  }
}
