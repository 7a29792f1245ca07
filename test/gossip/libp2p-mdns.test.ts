// Hosts of one segment find each other without being told of anybody, in network namespaces of their own: mDNS goes
// out by the default route, where a test has no business.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test, vi } from 'vitest'

const prefix = `fleet${process.pid}`
const script = fileURLToPath(new URL('segment.ts', import.meta.url))
const children: ChildProcess[] = []
const spaces: string[] = []

function ip(...words: string[]): void {
  execFileSync('ip', words, { stdio: 'pipe' })
}

function space(name: string): string {
  ip('netns', 'add', `${prefix}${name}`)
  spaces.push(`${prefix}${name}`)
  ip('-n', `${prefix}${name}`, 'link', 'set', 'lo', 'up')
  return `${prefix}${name}`
}

/** Whether this machine lets us make namespaces. */
function mayTry(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    const bridge = space('sw')
    ip('-n', bridge, 'link', 'add', 'br0', 'type', 'bridge', 'mcast_snooping', '0')
    ip('-n', bridge, 'link', 'set', 'br0', 'up')
    return true
  } catch {
    return false
  }
}

const possible = mayTry()
if (!possible) console.log('skipped: mDNS needs root and network namespaces (iproute2)')

/** A host on the bridge; the lines it prints. */
function host(number: number, fleet = 'ab'): string[] {
  const name = space(`h${number}`)
  ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `p${number}`, 'netns', `${prefix}sw`)
  ip('-n', `${prefix}sw`, 'link', 'set', `p${number}`, 'master', 'br0', 'up')
  ip('-n', name, 'address', 'add', `10.77.0.${number}/24`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'route', 'add', 'default', 'dev', 'eth0')
  const args = ['netns', 'exec', name, process.execPath, script, `${number}`, '0.0.0.0:4747', fleet]
  const child = spawn('ip', args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.push(child)
  const lines: string[] = []
  child.stdout
    .setEncoding('utf8')
    .on('data', (text: string) => lines.push(...text.split('\n').filter(Boolean)))
  return lines
}

afterAll(async () => {
  for (const child of children) {
    const ended = new Promise(resolve => child.once('exit', resolve))
    child.stdin?.end()
    const late = setTimeout(() => child.kill('SIGKILL'), 5_000)
    if (child.exitCode === null) await ended
    clearTimeout(late)
  }
  for (const name of spaces) ip('netns', 'del', name)
})

test.skipIf(!possible)(
  'three hosts of one segment find each other, and nobody of another fleet',
  async () => {
    const ups = (lines: string[]) => lines.filter(line => line.startsWith('up ')).map(line => line.slice(3))
    const self = (lines: string[] | undefined) => lines?.find(line => line.startsWith('self '))?.slice(5)
    const other = host(4, 'cd')
    await vi.waitFor(() => expect(self(other)).toBeDefined(), { timeout: 10_000 })
    const hosts = [host(1), host(2), host(3)]
    await vi.waitFor(
      () => {
        for (const lines of hosts) {
          const others = hosts.filter(each => each !== lines).map(self)
          expect([...new Set(ups(lines))].sort()).toEqual(others.sort())
        }
      },
      { timeout: 18_000, interval: 50 },
    )
    expect(self(other)).toBeDefined()
    expect(ups(other)).toEqual([])
  },
)
