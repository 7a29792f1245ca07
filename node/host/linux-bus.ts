// A connection to systemd over D-Bus: calls of its manager, properties of its units, its signals. What they mean is
// left to linux-units.ts.
import { existsSync } from 'node:fs'
import type { MessageBus } from 'dbus-native'

/** Where the system's message bus listens (D-Bus specification), and systemd itself, to root alone. */
const systemSocket = '/run/dbus/system_bus_socket'
const privateSocket = '/run/systemd/private'

const service = 'org.freedesktop.systemd1'
const managerPath = '/org/freedesktop/systemd1'
const unitPath = '/org/freedesktop/systemd1/unit/'
const signalType = 4

/** Of the signals that follow a reload, UnitNew and UnitRemoved of every unit, none is wanted. */
const rules = [
  ...['JobRemoved', 'Reloading', 'UnitFilesChanged'].map(
    member => `type='signal',sender='${service}',interface='${service}.Manager',member='${member}'`,
  ),
  `type='signal',sender='${service}',interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',path_namespace='${unitPath.slice(0, -1)}',arg0='${service}.Unit'`,
]

export interface Signal {
  readonly member: string
  /** Undefined: of the manager. */
  readonly unit: string | undefined
  readonly body: readonly unknown[]
}

export interface Bus {
  /** Throws what the library makes of an error reply: `dbusName`, `message`. Default timeout 25 s. */
  call(member: string, signature?: string, args?: readonly unknown[], timeoutMs?: number): Promise<unknown>
  /** A property of a unit; `type`: Unit, Service, Timer … Undefined: it has none such. */
  get(unit: string, type: string, name: string): Promise<unknown>
  /** From then on signals arrive. */
  subscribe(): Promise<void>
  close(): void
}

/** Whether systemd runs this machine (sd_booted(3)). */
export function booted(): boolean {
  return existsSync('/run/systemd/system')
}

/** The library is loaded here, at the first use of a unit: it takes as long as all of the rest. */
export async function openBus(
  onSignal: (signal: Signal) => void,
  onLost: (why: string) => void,
): Promise<Bus> {
  const { createClient } = (await import('dbus-native')).default
  // Where no bus runs, as on small images or when it was stopped, root still reaches systemd.
  const direct = !existsSync(systemSocket)
  const bus: MessageBus = createClient({
    socket: direct ? privateSocket : systemSocket,
    direct,
    authMethods: ['EXTERNAL'],
  })
  let lost = false
  const lose = (error?: Error) => {
    if (lost) return
    lost = true
    onLost(error?.message ?? 'the connection was closed')
  }
  bus.connection.on('error', lose)
  bus.connection.on('close', lose)
  bus.connection.on('message', message => {
    const signal = signalOf(message)
    if (signal) onSignal(signal)
  })
  const invoke = async (
    path: string,
    on: string,
    member: string,
    signature = '',
    args: readonly unknown[] = [],
    timeoutMs?: number,
  ): Promise<unknown> => {
    const message = { destination: service, path, interface: on, member }
    const body = signature === '' ? {} : { signature, body: [...args] }
    return await bus.invoke({ ...message, ...body }, timeoutMs === undefined ? {} : { timeout: timeoutMs })
  }
  let subscribed: Promise<unknown> | undefined
  return {
    call: (member, ...rest) => invoke(managerPath, `${service}.Manager`, member, ...rest),
    get: async (unit, type, name) => {
      try {
        return await invoke(pathOf(unit), 'org.freedesktop.DBus.Properties', 'Get', 'ss', [
          `${service}.${type}`,
          name,
        ])
      } catch (error) {
        if (lost) throw error
        return undefined
      }
    },
    subscribe: async () => {
      subscribed ??= Promise.all([
        invoke(managerPath, `${service}.Manager`, 'Subscribe'),
        ...(direct ? [] : rules.map(rule => bus.addMatch(rule))),
      ])
      await subscribed
    },
    close: () => {
      lost = true
      bus.connection.end()
    },
  }
}

/** Undefined: none that is waited for, or not as systemd sends it, since any local user may send signals. */
export function signalOf({ type, path, member, body = [] }: Message): Signal | undefined {
  if (type !== signalType || !path?.startsWith(managerPath) || !Array.isArray(body)) return undefined
  const wanted = shapes.get(member ?? '')
  const fits = wanted?.every((of, at) => of === 'any' || (typeof body[at] === of && body[at] !== null))
  if (member === undefined || !fits) return undefined
  return { member, unit: path.startsWith(unitPath) ? unitOf(path) : undefined, body }
}

interface Message {
  readonly type?: number
  readonly path?: string
  readonly member?: string
  readonly body?: readonly unknown[]
}

/** What the parts of each signal are, as `typeof` says. */
const shapes: ReadonlyMap<string, readonly string[]> = new Map([
  ['JobRemoved', ['any', 'string', 'string', 'string']],
  ['Reloading', ['boolean']],
  ['UnitFilesChanged', []],
  ['PropertiesChanged', ['string', 'object']],
])

/** sd_bus_path_encode(3): what is not a letter or a digit, and a digit at the beginning, is `_` and two hex digits. */
export function pathOf(unit: string): string {
  const encode = (char: string) => `_${char.charCodeAt(0).toString(16).padStart(2, '0')}`
  return unitPath + unit.replace(/^\d|[^A-Za-z0-9]/g, encode)
}

export function unitOf(path: string): string {
  const label = path.slice(path.lastIndexOf('/') + 1)
  return label.replace(/_([0-9a-f]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
}
