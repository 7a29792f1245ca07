// A host's key is stolen, and two operators publish at once: what a laptop sees of it.
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Heads } from '../../gossip/message.ts'
import { Fleet, until } from './fleet.ts'
import { impersonate } from './stranger.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.begin(['h1', 'h2'])
})
afterAll(() => fleet?.close())

test('a peer that says it is far ahead keeps nobody from publishing', async () => {
  fleet.write('site.steps', 'COPY files/motd.tmpl /etc/motd\n')
  await fleet.converged(await fleet.release('first', {}), 'h1', 'h2')
  await fleet.stop('h2')
  const zeros = new Uint8Array(32)
  const far: Heads = {
    t: 'heads',
    head: [Number.MAX_SAFE_INTEGER, zeros],
    trust: 1,
    held: Number.MAX_SAFE_INTEGER,
    orders: zeros,
    board: zeros,
    answer: false,
  }
  const liar = await impersonate(fleet.host('h2'), far)
  try {
    fleet.write('files/motd.tmpl', 'though h2 lies\n')
    fleet.commit('though h2 lies')
    const ran = await fleet.run(['publish', '-m', 'though h2 lies', '--now', '--peers', '1', '--wait', '2'])
    expect(ran.stderr).toContain(
      'h2 says that it is at entry 9007199254740991, and hands nothing over: passed over',
    )
    await fleet.converged(Number(/release (\d+)/.exec(ran.stdout)?.[1]), 'h1')
  } finally {
    await liar.leave()
  }
  await fleet.start('h2')
})

test('two laptops publish one entry each at once: who meets the other is told how it ends', async () => {
  const log = join(fleet.stage.operator, '.git/fleet')
  const publish = async (words: string, on: string) => {
    await fleet.converged(await fleet.release(words, { 'files/motd.tmpl': `${words}\n` }), on)
    await fleet.stop(on)
  }
  const before = `${log}.before`
  await fleet.converged((await fleet.status('h1'))!.head!.sequence, 'h1', 'h2')
  cpSync(log, before, { recursive: true })
  await fleet.stop('h2')
  await publish('by one', 'h1')
  rmSync(log, { recursive: true })
  cpSync(before, log, { recursive: true })
  await fleet.start('h2')
  await publish('by the other', 'h2')
  await Promise.all(['h1', 'h2'].map(name => fleet.start(name)))
  for (const name of ['h1', 'h2'])
    await until(`${name} to see the fork`, async () =>
      (await fleet.log(name))?.some(each => each.mark.includes('fork')) ? true : undefined,
    )
  // A restart thaws nothing, with nobody there to tell of the fork again.
  await Promise.all(['h1', 'h2'].map(name => fleet.stop(name)))
  await fleet.start('h1')
  expect((await fleet.log('h1'))!.some(each => each.mark.includes('fork'))).toBe(true)
  await fleet.start('h2')
  fleet.write('files/motd.tmpl', 'at last\n')
  fleet.commit('at last')
  const said = await fleet.fails(1, 'publish', '-m', 'at last')
  expect(said).toMatch(/two operators published entry \d+ at once/)
  const [, drops] = /to keep ours: fleet publish --drops ([0-9a-f]{64})/.exec(said)!
  const { release } = await fleet.publish('at last', 1, '--drops', drops!)
  await fleet.converged(release!.sequence, 'h1', 'h2')
  expect(fleet.cat('h1', 'etc/motd')).toBe('at last\n')
})
