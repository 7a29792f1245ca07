// Workers of a campaign as processes of their own: started on worker.ts, asked over their channel, ended by id. Which
// seed is run when is campaign.ts's.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Worker } from './campaign.ts'
import type { Outcome, Terms } from './outcome.ts'

/** Characters kept of what a process wrote to its standard error: the stack of what killed it. */
const wordsMax = 4_096

/** worker.ts beside this file; in a bundle a file of its own beside the chunks. */
export const workerFile = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './sim-worker.js', import.meta.url),
)

export function startWorker(terms: Terms, file = workerFile): Worker {
  const child = fork(file, [JSON.stringify(terms)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let words = ''
  let running: { resolve(outcome: Outcome): void; reject(error: Error): void } | undefined
  let gone: Error | undefined
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = `${words}${text}`.slice(-wordsMax)
  })
  const lose = (reason: string) => {
    const said = words.trim()
    // The line that names the error before all others: a summary shows one line.
    const error = said.split('\n').find(each => /^\w*Error\b|FATAL ERROR/.test(each)) ?? ''
    gone = new Error(
      `its process ended (${reason})${said === '' ? ', and said nothing' : `: ${error}\n${said}`}`,
    )
    running?.reject(gone)
    running = undefined
  }
  child.on('message', message => {
    running?.resolve(message as Outcome)
    running = undefined
  })
  child.on('error', error => lose(error.message))
  // `close`, not `exit`: what it said last has arrived by then.
  child.on('close', (code, signal) => lose(signal ?? `exit ${code}`))
  return {
    run: seed =>
      new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone)
        running = { resolve, reject }
        child.send(seed, error => {
          if (error !== null && running?.reject === reject) lose(error.message)
        })
      }),
    // Nothing of it is worth a goodbye, and a seed that hangs would not hear one.
    end: () => void child.kill('SIGKILL'),
  }
}
