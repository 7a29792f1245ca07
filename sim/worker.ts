// The process of one worker of a campaign: hears seeds, answers outcomes, one after another, until whoever started it is
// gone. Started by processes.ts, with its terms as the only argument.
import { drawScenario } from './draw.ts'
import { simulate } from './main.ts'
import { runSeed, type Terms } from './outcome.ts'

const terms = JSON.parse(process.argv[2] ?? '{}') as Terms
// Ctrl-C goes to the whole group; what it means for us is decided by the campaign.
process.on('SIGINT', () => {})
process.on('disconnect', () => process.exit())
process.on('message', async seed => {
  process.send?.(await runSeed({ simulate, drawScenario }, seed as number, terms, () => performance.now()))
})
