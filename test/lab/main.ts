// `node test/lab/main.ts`: the lab by hand, to look at what the tests see. Its state outlives the command; `down` ends it.

import { chmodSync, cpSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { obstacle } from './base.ts'
import { Lab } from './lab.ts'

const usage = `node test/lab/main.ts COMMAND
  up N               boot h1 to hN, building what is missing
  status             what runs
  exec HOST CMD...   run a command as the host's root
  copy FILE HOST:PATH
  pool FILE.deb...   let all hosts install these, too
  kill HOST          power failure; stop HOST: orderly shutdown; start HOST: boot it again
  freeze HOST        hang it; thaw HOST: let it go on
  down               end everything and remove it`

const [verb = '', ...words] = process.argv.slice(2)

async function run(): Promise<number> {
  const why = await obstacle()
  if (why !== undefined) throw new Error(`the lab cannot run: ${why}`)
  const lab = await Lab.open(process.env['FLEET_LAB_NAME'] ?? 'hand')
  const host = () => lab.host(words[0] ?? '')
  switch (verb) {
    case 'up':
      for (const each of await lab.up(Number(words[0] ?? 1))) console.log(`${each.name} ${each.address}`)
      return 0
    case 'status':
      for (const each of lab.hosts())
        console.log(`${each.name} ${each.address} ${each.running ? 'running' : 'off'}`)
      return 0
    case 'exec': {
      const ran = await host().exec(words.slice(1), { exits: 'any' })
      process.stdout.write(ran.stdout)
      process.stderr.write(ran.stderr)
      return ran.exit
    }
    case 'copy': {
      const [from = '', to = ''] = words
      const [name = '', path = ''] = to.split(/:(.*)/)
      const target = lab.host(name)
      await target.write(path, readFileSync(from), (statSync(from).mode & 0o777).toString(8))
      return 0
    }
    case 'pool':
      for (const file of words) {
        const kept = join(lab.pool, file.split('/').at(-1)!)
        cpSync(file, kept)
        chmodSync(kept, 0o644)
      }
      await lab.index()
      return 0
    case 'kill':
    case 'stop':
    case 'start':
      await host()[verb]()
      return 0
    case 'freeze':
    case 'thaw':
      host().freeze(verb === 'freeze')
      return 0
    case 'down':
      await lab.down()
      return 0
    default:
      console.error(usage)
      return 2
  }
}

process.exitCode = await run()
