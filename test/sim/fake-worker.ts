// What processes.test.ts starts in place of sim/worker.ts: 13 breaks, 14 hangs, all else answers.
process.on('disconnect', () => process.exit())
process.on('message', seed => {
  if (seed === 13) throw new Error('unlucky')
  if (seed === 14) return
  process.send?.({ seed, terms: process.argv[2] })
})
