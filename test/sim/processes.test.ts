import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startWorker } from '../../sim/processes.ts'

const file = fileURLToPath(new URL('./fake-worker.ts', import.meta.url))

test('a worker answers seed after seed, under its terms', async () => {
  const worker = startWorker({ hosts: 5 }, file)
  try {
    expect(await worker.run(1)).toEqual({ seed: 1, terms: '{"hosts":5}' })
    expect(await worker.run(2)).toEqual({ seed: 2, terms: '{"hosts":5}' })
  } finally {
    worker.end()
  }
})

test('a process that dies says with what words, and takes no more seeds', async () => {
  const worker = startWorker({}, file)
  await expect(worker.run(13)).rejects.toThrow(/^its process ended \(exit 1\): Error: unlucky\n/)
  await expect(worker.run(1)).rejects.toThrow('its process ended')
})

test('one that hangs is ended', async () => {
  const worker = startWorker({}, file)
  const run = worker.run(14)
  worker.end()
  await expect(run).rejects.toThrow('its process ended (SIGKILL), and said nothing')
})
