// Core: an agent's settings, from its config file and the command line, checked, with all defaults and units. Decides
// no path and reads no file itself.
import { parse, TomlError } from 'smol-toml'

/** Of the agent and the command line. */
export const version = '0.1.0'

/** Newest version of the steps language that this agent speaks. */
export const language = 1

export interface Config {
  /** The folder that the agent fills; `/` on a real host. */
  readonly root: string
  /** `host:port` to listen on. */
  readonly listen: string
  /** `host:port` of peers to dial first. */
  readonly seeds: readonly string[]
  readonly mdns: boolean
  readonly dht: boolean
  /** ms between full audits; each is jittered by ± 20 %. */
  readonly auditMs: number
  /** Tell logged-in people which of their changes were put back; only where `root` is `/`. */
  readonly terminals: boolean
  readonly log: LogLevel
}

export const logLevels = ['error', 'warn', 'info', 'debug'] as const
export type LogLevel = (typeof logLevels)[number]

/** Fixed, so that roster addresses need no port (DESIGN section 6). */
export const defaultPort = 4747

export const defaults: Config = {
  root: '/',
  listen: `0.0.0.0:${defaultPort}`,
  seeds: [],
  mdns: true,
  dht: false,
  auditMs: 3_600_000,
  terminals: true,
  log: 'info',
}

export interface ConfigProblem {
  readonly line: number
  readonly column: number
  readonly message: string
}

const address = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]{1,253}):([0-9]{1,5})$/

/** `host:port` with a port from 0 to 65535 (0: any, for listening). */
export function isAddress(text: string): boolean {
  const match = address.exec(text)
  return match !== null && Number(match[2]) <= 65_535
}

/**
 * Reads a config file (TOML): root, listen, seeds, mdns, dht, audit_seconds, terminals, log_level. All problems at once, unknown names among
 * them; with any problem the config is not to be used.
 */
export function parseConfig(text: string): {
  readonly config: Config
  readonly problems: readonly ConfigProblem[]
} {
  const problems: ConfigProblem[] = []
  let table: Record<string, unknown>
  try {
    table = parse(text)
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const message = error.message.split('\n')[0] ?? 'not TOML'
    return { config: defaults, problems: [{ line: error.line, column: error.column, message }] }
  }
  const config: { -readonly [K in keyof Config]: Config[K] } = { ...defaults }
  const lineOf = (name: string) =>
    text.split('\n').findIndex(line => line.trimStart().startsWith(name)) + 1 || 1
  const complain = (name: string, expected: string) =>
    problems.push({
      line: lineOf(name),
      column: 1,
      message: `${name}: found ${JSON.stringify(table[name])}, expected ${expected}`,
    })
  for (const [name, value] of Object.entries(table)) {
    switch (name) {
      case 'root':
        if (typeof value === 'string' && value.startsWith('/')) config.root = value
        else complain(name, 'an absolute path')
        break
      case 'listen':
        if (typeof value === 'string' && isAddress(value)) config.listen = value
        else complain(name, '"host:port"')
        break
      case 'seeds':
        if (
          Array.isArray(value) &&
          value.length <= 64 &&
          value.every(each => typeof each === 'string' && isAddress(each))
        )
          config.seeds = value as string[]
        else complain(name, 'up to 64 texts "host:port"')
        break
      case 'mdns':
      case 'dht':
      case 'terminals':
        if (typeof value === 'boolean') config[name] = value
        else complain(name, 'true or false')
        break
      case 'audit_seconds':
        if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 604_800)
          config.auditMs = value * 1000
        else complain(name, 'a whole number from 1 to 604800')
        break
      case 'log_level':
        if (logLevels.includes(value as LogLevel)) config.log = value as LogLevel
        else complain(name, logLevels.join(', '))
        break
      default:
        complain(name, 'one of root, listen, seeds, mdns, dht, audit_seconds, terminals, log_level')
    }
  }
  return { config, problems }
}
