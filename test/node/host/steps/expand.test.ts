import { expect, test } from 'vitest'
import { expandTree } from '../../../../node/host/steps/expand.ts'
import { sourcesOf } from '../../../../node/host/steps/sources.ts'
import { repository } from './repository.ts'

const sources = sourcesOf(repository({ 't/d/x!': '12', 't/l': '-> d', 't-/y': '' }).files)

test('a tree is parents first, with the payloads of its files; links that are not loaded are left out', () => {
  const tree = { args: ['t', '/srv/t'], options: { exclusive: '', group: 'adm', mode: '0600' } }
  expect(expandTree(tree, sources, () => 'd')).toEqual([
    { verb: 'MKDIR', args: ['/srv/t'], options: { group: 'adm', exclusive: '' } },
    { verb: 'MKDIR', args: ['/srv/t/d'], options: { group: 'adm', exclusive: '' } },
    {
      verb: 'COPY',
      args: ['t/d/x', '/srv/t/d/x'],
      options: { mode: '0600', group: 'adm' },
      payload: { path: 't/d/x', sha256: expect.stringMatching(/^[0-9a-f]{64}$/), size: 2, executable: true },
    },
    { verb: 'LINK', args: ['/srv/t/l', 'd'], options: { group: 'adm' } },
  ])
  expect(expandTree(tree, sources, () => undefined).map(each => each.verb)).toEqual([
    'MKDIR',
    'MKDIR',
    'COPY',
  ])
})
