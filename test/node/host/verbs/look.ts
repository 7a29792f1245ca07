// What planners look at, in memory: paths, and the resources of a machine.
import { temporaryPrefix } from '../../../../node/host/perform.ts'
import type { Snapshot } from '../../../../node/host/resource.ts'
import type { Stat } from '../../../../node/host/system.ts'
import { openView, type View } from '../../../../node/host/view.ts'

/** A path with text is a file; `null` makes a directory. Everything is root's, unless `owners` says who. */
export function look(
  paths: Readonly<Record<string, string | null>> = {},
  snapshot: Snapshot = new Map(),
  owners: Readonly<Record<string, number>> = {},
): View {
  const lstat = (path: string): Stat | undefined => {
    const text = paths[path]
    if (text === undefined) return undefined
    const [kind, mode] = text === null ? (['directory', 0o755] as const) : (['file', 0o644] as const)
    const id = owners[path] ?? 0
    return { kind, dev: 1, ino: 1, size: text?.length ?? 0, mtimeMs: 0, ctimeMs: 0, mode, uid: id, gid: id }
  }
  const number = (name: string) => (name === 'root' ? 0 : /^\d+$/.test(name) ? Number(name) : undefined)
  const machine = {
    uid: 0,
    gid: 0,
    lstat,
    digest: () => '',
    read: (path: string) => new TextEncoder().encode(paths[path] ?? ''),
    readlink: () => '',
    list: () => [],
    userId: number,
    groupId: number,
  }
  return openView(machine, new Set(), name => name.startsWith(temporaryPrefix('')), snapshot)
}
