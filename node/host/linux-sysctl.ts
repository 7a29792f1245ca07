// Parameters of the running kernel, read and written through /proc/sys. What the next boot sets is a file, and the
// verb's affair.
import { constants } from 'node:fs'
import { access, readFile, writeFile } from 'node:fs/promises'
import { StepError } from './errors.ts'
import {
  type Change,
  type Changed,
  nameOf,
  type Provider,
  type ResourceId,
  resourceId,
  type State,
  type States,
} from './resource.ts'
import { folded, swapped } from './verbs/sysctl.ts'

/** `proc`: where the parameters are; another folder than /proc/sys for tests. */
export function openSysctl(proc = '/proc/sys'): Provider {
  const pathOf = (name: string) => `${proc}/${swapped(name)}`
  const read = async (name: string): Promise<States['sysctl'] | null> => {
    try {
      return { value: folded(await readFile(pathOf(name), 'utf8')) }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return null
      throw failure(resourceId('sysctl', name), error)
    }
  }
  return {
    kind: 'sysctl',
    spreads: false,
    whole: false,
    observe: async names => {
      const states = await Promise.all(
        names.map(async name => [resourceId('sysctl', name), await read(name)] as const),
      )
      return new Map<ResourceId, State | null>(states)
    },
    prepare: async (changes: readonly Change[]) => {
      for (const { id } of changes)
        await access(pathOf(nameOf(id)), constants.W_OK).catch(error => {
          throw failure(id, error)
        })
    },
    change: async (changes: readonly Change[]): Promise<Changed> => {
      for (const { id, to } of changes) {
        // A parameter whose module or interface is gone has nothing to return to.
        if (to === null || (await read(nameOf(id))) === null) continue
        const { value } = to as States['sysctl']
        await writeFile(pathOf(nameOf(id)), `${value}\n`).catch(error => {
          throw failure(id, error, `found ${value}; expected a value that the kernel takes: `)
        })
        const now = await read(nameOf(id))
        if (now?.value !== value)
          throw new StepError(
            'IO_FAILED',
            id,
            `found ${now?.value} after ${value} was written; expected it to stay`,
          )
      }
      return { leftBehind: [] }
    },
    oneWay: async () => new Map(),
    recover: async () => {},
    // The kernel tells nobody: the audit looks.
    hear: () => () => {},
    busy: () => false,
    close: () => {},
  }
}

function failure(id: ResourceId, error: unknown, words = ''): StepError {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'EROFS') return new StepError('READ_ONLY', id, message)
  if (code === 'EACCES' || code === 'EPERM') return new StepError('NO_PERMISSION', id, message)
  if (code === 'ENOENT') return new StepError('SYSCTL_UNKNOWN', id, message)
  return new StepError('IO_FAILED', id, `${words}${message}`)
}
