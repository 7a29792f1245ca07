// What a root directory may lack of the base system when it is not `/`: the directories that steps lean on without
// declaring them. They become steps, so that they are made, shown and taken back like all else.
import { dirname } from '../system.ts'
import { specs } from '../verbs/index.ts'
import { baseDirectories } from './base.ts'
import type { Step } from './step.ts'

/** Where such a step says that it comes from. */
export const groundFile = 'base system'

/**
 * The steps, led by MKDIR for every base directory above a target that none of them declares: the same whatever is
 * there, since a step that leaves the list is taken back. Owners are left alone, and modes of directories that exist.
 */
export function withGround(steps: readonly Step[]): readonly Step[] {
  const targets = steps.flatMap(step => {
    const spec = specs.get(step.verb)
    const leaves = spec?.makes === 'nothing' || spec?.makes === 'attributes'
    if (leaves) return []
    return [...(spec?.target ? [spec.target(step)] : []), ...(spec?.paths?.(step) ?? [])]
  })
  const declared = new Set(targets)
  const needed = new Set<string>()
  for (const target of targets)
    for (let path = dirname(target); path !== '/' && !needed.has(path); path = dirname(path))
      if (baseDirectories.has(path) && !declared.has(path)) needed.add(path)
  return [...[...needed].sort().map(ground), ...steps]
}

function ground(path: string): Step {
  const mode = baseDirectories.get(path)!.mode
  return {
    verb: 'MKDIR',
    args: [path],
    options: {
      mode: mode === 0o755 ? 'keep' : mode.toString(8).padStart(4, '0'),
      owner: 'keep',
      group: 'keep',
    },
    id: `MKDIR ${path}`,
    origin: { file: groundFile, line: 1, column: 1 },
  }
}
