// The verbs there are. A new one is a file of its own and a line here.
import { absent } from './absent.ts'
import { copy } from './copy.ts'
import { line } from './line.ts'
import { link } from './link.ts'
import { mkdir } from './mkdir.ts'
import { run } from './run.ts'
import { template } from './template.ts'
import { tree } from './tree.ts'
import type { VerbSpec } from './verb.ts'

/** By name, in the order of the reference. INCLUDE, WHEN and END are syntax and not here. */
export const specs: ReadonlyMap<string, VerbSpec> = new Map(
  [tree, mkdir, copy, template, link, line, absent, run].map(spec => [spec.name, spec]),
)
