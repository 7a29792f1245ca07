// The verbs there are. A new one is a file of its own and a line here.
import type { Answer, Look } from '../act.ts'
import type { Step } from '../steps/step.ts'
import { absent, planAbsent } from './absent.ts'
import { checkSpec, planCheck } from './check.ts'
import { copy, planCopy } from './copy.ts'
import { group, planGroup } from './group.ts'
import { line, planLine } from './line.ts'
import { link, planLink } from './link.ts'
import { mkdir, planMkdir } from './mkdir.ts'
import { mode, planMode } from './mode.ts'
import { packageSpec, planPackage } from './package.ts'
import { planRun, run } from './run.ts'
import { planService, service } from './service.ts'
import { planSysctl, sysctl } from './sysctl.ts'
import { template } from './template.ts'
import { planTimer, timer } from './timer.ts'
import { tree } from './tree.ts'
import { planUnpack, unpack } from './unpack.ts'
import { planUser, user } from './user.ts'
import { observation } from './values.ts'
import type { VerbSpec } from './verb.ts'

function withObservation(spec: VerbSpec): VerbSpec {
  const drifts = spec.target ?? spec.paths ?? spec.resources
  return drifts === undefined ? spec : { ...spec, options: { ...spec.options, ...observation } }
}

/** By name, in the order of the reference. INCLUDE, WHEN and END are syntax and not here. */
export const specs: ReadonlyMap<string, VerbSpec> = new Map(
  [
    tree,
    mkdir,
    copy,
    template,
    link,
    line,
    mode,
    absent,
    packageSpec,
    unpack,
    group,
    user,
    sysctl,
    service,
    timer,
    run,
    checkSpec,
  ]
    .map(withObservation)
    .map(spec => [spec.name, spec]),
)

/** What must be done for a step to be kept, by verb; TREE is expanded before and never comes here. */
export const planners: ReadonlyMap<string, (step: Step, look: Look) => Answer> = new Map([
  ['MKDIR', planMkdir],
  ['COPY', planCopy],
  ['TEMPLATE', planCopy],
  ['LINK', planLink],
  ['LINE', planLine],
  ['MODE', planMode],
  ['ABSENT', planAbsent],
  ['PACKAGE', planPackage],
  ['UNPACK', planUnpack],
  ['GROUP', planGroup],
  ['USER', planUser],
  ['SYSCTL', planSysctl],
  ['SERVICE', planService],
  ['TIMER', planTimer],
  ['RUN', planRun],
  ['CHECK', planCheck],
])
