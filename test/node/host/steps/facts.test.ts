import { expect, test } from 'vitest'
import { declare } from '../../../../node/host/steps/declare.ts'
import { changedFacts, frozen } from '../../../../node/host/steps/facts.ts'

const declared = (text: string, facts: Record<string, string>) =>
  declare({
    files: new Map([['site.steps', { mode: '100644', sha256: '', size: 1 }]]),
    text: () => text,
    host: { name: 'web1', labels: {}, addresses: [], facts },
    roster: [],
  })

const text = `WHEN fact.cpus=4 fact.arch!=x86_64
  RUN a fact:\${fact.kernel}
END
LINK /etc/a -> \${fact.memory}
`

test('only facts that were asked for are frozen, and declare the same again', () => {
  const all = { cpus: '4', arch: 'x86_64', kernel: '6.1', memory: '512', hostname: 'web1' }
  const { steps, facts, problems } = declared(text, all)
  expect(problems).toEqual([])
  const kept = frozen(all, facts)
  expect(kept).toEqual({ cpus: '4', arch: 'x86_64', memory: '512' })
  expect(declared(text, kept).steps).toEqual(steps)
})

test('changes are told with what they were; one that is no longer known is empty', () => {
  expect(changedFacts({ cpus: '4', memory: '512', old: 'x' }, { cpus: '8', memory: '512' })).toEqual([
    { name: 'cpus', from: '4', to: '8' },
    { name: 'old', from: 'x', to: '' },
  ])
})
