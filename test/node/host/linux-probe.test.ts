// Against real servers on loopback.
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openProber } from '../../../node/host/linux-probe.ts'

const probe = openProber('/')
let web: http.Server
let mute: net.Server
const at = (server: net.Server) => (server.address() as AddressInfo).port
const open = (server: net.Server) => new Promise<void>(done => server.listen(0, '127.0.0.1', done))

beforeAll(async () => {
  web = http.createServer((request, response) => {
    if (request.url === '/gone') response.writeHead(302, { location: '/' }).end()
    else if (request.url === '/long') response.end(`${'x'.repeat(2 * 1024 * 1024)}ready`)
    else if (request.url === '/broken') response.writeHead(200).write('re', () => response.destroy())
    else response.end('all is ready')
  })
  mute = net.createServer(() => undefined)
  await Promise.all([open(web), open(mute)])
})
afterAll(() => {
  web.close()
  web.closeAllConnections()
  mute.close()
})

const ask = (path: string, more: { status?: number; body?: string } = {}) =>
  probe({ kind: 'http', url: `http://127.0.0.1:${at(web)}${path}`, status: 200, ...more }, 5000)

test('http: status and body, no redirect followed, at most a MiB read', async () => {
  expect(await ask('/')).toBeUndefined()
  expect(await ask('/', { body: 'ready' })).toBeUndefined()
  expect(await ask('/', { body: 'steady' })).toBe('found a body without "steady"; expected it')
  expect(await ask('/gone')).toBe('found status 302; expected status 200')
  expect(await ask('/gone', { status: 302 })).toBeUndefined()
  expect(await ask('/long', { body: 'ready' })).toContain('without "ready"')
  expect(await ask('/broken', { body: 'ready' })).toContain('broke off')
})

test('http: nobody there, no answer, no such host, no trusted certificate', async () => {
  const url = `http://127.0.0.1:${at(mute)}/`
  expect(await probe({ kind: 'http', url, status: 200 }, 50)).toContain('no answer in 50 ms')
  const closed = await probe({ kind: 'http', url: 'http://127.0.0.1:1/', status: 200 }, 5000)
  expect(closed).toContain('ECONNREFUSED')
  const plain = `https://127.0.0.1:${at(web)}/`
  expect(await probe({ kind: 'http', url: plain, status: 200 }, 5000)).toMatch(
    /^found .*; expected status 200$/,
  )
})

test('tcp', async () => {
  expect(await probe({ kind: 'tcp', host: '127.0.0.1', port: at(mute) }, 5000)).toBeUndefined()
  expect(await probe({ kind: 'tcp', host: '127.0.0.1', port: 1 }, 5000)).toContain('ECONNREFUSED')
})

test('command: exit code, time, absence', async () => {
  const command = (timeoutMs: number, ...argv: string[]) => probe({ kind: 'command', argv, timeoutMs }, 5000)
  expect(await command(5000, 'true')).toBeUndefined()
  expect(await command(5000, 'sh', '-c', 'echo oh; exit 3')).toBe(
    'found exit code 3 (oh); expected exit code 0',
  )
  expect(await command(50, 'sleep', '60')).toContain('no end in 50 ms')
  expect(await command(5000, '/no/such/program')).toContain('no such')
})

test('unit: nothing runs in another root', async () => {
  expect(await openProber('/srv/image')({ kind: 'unit', unit: 'a.service' }, 100)).toContain(
    'nothing running',
  )
})
