// What a CHECK asks, asked once: an http server, a tcp port, a command, a unit. How often, and for how long in all, is
// left to whoever calls.
import net from 'node:net'
import type { Probe } from './act.ts'
import type { StepError } from './errors.ts'
import { run } from './linux-run.ts'
import type { Probing } from './system.ts'

/** Of an answer, in bytes: a health page is small, and what is looked for must stand near its beginning. */
const bodyBytesMax = 1024 * 1024

/** `root`: the directory whose machine is asked; commands start there. */
export function openProber(root: string): Probing {
  return async (probe, timeoutMs) => {
    switch (probe.kind) {
      case 'http':
        return await askHttp(probe, timeoutMs)
      case 'tcp':
        return await askTcp(probe, timeoutMs)
      case 'command':
        return await askCommand(probe.argv, probe.timeoutMs, root)
      case 'unit':
        return root === '/'
          ? await askUnit(probe.unit, timeoutMs)
          : `found nothing running in ${root}; expected ${probe.unit} active`
    }
  }
}

/** One GET, no redirect followed; a connection of its own, so that it is also made anew. */
async function askHttp(
  probe: Extract<Probe, { kind: 'http' }>,
  timeoutMs: number,
): Promise<string | undefined> {
  // Loaded when asked for: most commands start without it.
  const secure = probe.url.startsWith('https:')
  const { get } = secure ? await import('node:https') : await import('node:http')
  const options = secure ? { agent: false, ca: await authorities() } : { agent: false }
  return new Promise(done => {
    const wanted = `expected status ${probe.status}`
    const request = get(probe.url, options, response => {
      if (response.statusCode !== probe.status) {
        done(`found status ${response.statusCode}; ${wanted}`)
        return void request.destroy()
      }
      if (probe.body === undefined) {
        done(undefined)
        return void request.destroy()
      }
      const chunks: Buffer[] = []
      let size = 0
      const end = () => {
        const text = Buffer.concat(chunks).subarray(0, bodyBytesMax).toString()
        done(
          text.includes(probe.body!)
            ? undefined
            : `found a body without ${JSON.stringify(probe.body)}; expected it`,
        )
        request.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size >= bodyBytesMax) end()
      })
      response.on('end', end)
      response.on('error', error => done(`found an answer that broke off (${error.message}); ${wanted}`))
    })
    const timer = setTimeout(() => request.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
    request.on('close', () => clearTimeout(timer))
    request.on('error', error => done(`found ${wordsOf(error)}; ${wanted}`))
  })
}

function askTcp(
  { host, port }: Extract<Probe, { kind: 'tcp' }>,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise(done => {
    const socket = net.connect({ host, port })
    const end = (found: string | undefined) => {
      clearTimeout(timer)
      socket.destroy()
      done(found)
    }
    const timer = setTimeout(end, timeoutMs, `found no answer in ${timeoutMs} ms; expected a connection`)
    socket.on('connect', () => end(undefined))
    socket.on('error', error => end(`found ${wordsOf(error)}; expected a connection`))
  })
}

async function askCommand(
  argv: readonly string[],
  timeoutMs: number,
  root: string,
): Promise<string | undefined> {
  try {
    const ran = await run(argv, { timeoutMs, cwd: root, env: { FLEET_ROOT: root } })
    if (ran.code === 0 && !ran.timedOut) return undefined
    const how = ran.timedOut ? `no end in ${timeoutMs} ms` : `exit code ${ran.code ?? 'none, but a signal'}`
    return `found ${how}${ran.output && ` (${ran.output.trimEnd()})`}; expected exit code 0`
  } catch (error) {
    return `found ${(error as StepError).reason?.detail ?? String(error)}; expected exit code 0`
  }
}

async function askUnit(unit: string, timeoutMs: number): Promise<string | undefined> {
  try {
    const ran = await run(['systemctl', 'is-active', unit], { timeoutMs })
    return ran.code === 0 ? undefined : `found ${ran.output.trim() || 'no answer'}; expected active`
  } catch (error) {
    return `found ${(error as StepError).reason?.detail ?? String(error)}; expected active`
  }
}

let known: readonly string[] | undefined

/** Those of the system, which the operators of the host decide; where it has none, those that come with Node. */
async function authorities(): Promise<string[]> {
  const { getCACertificates, rootCertificates } = await import('node:tls')
  const system = (known ??= getCACertificates('system'))
  return [...(system.length > 0 ? system : rootCertificates)]
}

/** An attempt at several addresses fails with an AggregateError, whose own message is empty. */
function wordsOf(error: Error & { errors?: readonly Error[] }): string {
  return error.message.trimEnd() || (error.errors ?? []).map(each => each.message).join(', ') || error.name
}
