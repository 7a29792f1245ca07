// `fleet agent setup`, `upgrade` and `slots`: the agent's own upgrade, which is no step. What is on trial decides the
// launcher together with the new agent.
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, realpathSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { StatusView } from '../node/control.ts'
import { NodeError } from '../node/errors.ts'
import { syncPath } from '../node/os.ts'
import { beginTrial, dropStaged, loadSlots, saveSlots, stageBundle, versionOf } from '../node/os-slots.ts'
import { isOlder, otherSlot, peersWanted, type Slots, trialSeconds } from '../node/slots.ts'
import { assemble } from './bundle.ts'
import { ask } from './client.ts'
import { type Answer, CliError, exits, type Io, numberOption, type Options, textOption } from './command.ts'

const actions = ['setup', 'upgrade', 'slots'] as const

export async function slotCommand(
  action: string,
  bundle: string | undefined,
  options: Options,
  io: Io,
): Promise<Answer> {
  if (!(actions as readonly string[]).includes(action))
    throw new CliError(`found '${action}', expected ${actions.join(', ')}`, { exit: exits.badInput })
  const home = resolve(io.cwd, textOption(options, 'prefix') ?? '/opt/fleet')
  if (action === 'setup') return setup(home, io)
  const slots = loadSlots(home)
  if (slots === undefined)
    throw new CliError(`${home} has no slots, so this agent cannot be upgraded with a way back`, {
      hint: `lay them out once, from a checkout or a bundle: fleet agent setup --prefix ${home}`,
    })
  if (action === 'slots') return show(home, slots)
  if (bundle === undefined)
    throw new CliError('fleet agent upgrade needs a bundle', {
      exit: exits.badInput,
      hint: 'npm run bundle -- --pack fleet.tar.gz makes one',
    })
  try {
    return await upgrade(home, slots, resolve(io.cwd, bundle), options, io)
  } catch (error) {
    if (error instanceof NodeError) throw new CliError(error.message, { code: error.code })
    throw error
  }
}

async function show(home: string, slots: Slots): Promise<Answer> {
  const { current, trial, fell } = slots
  const versions = new Map<string, string>()
  for (const slot of ['a', 'b'])
    versions.set(
      slot,
      existsSync(join(home, slot)) ? await versionOf(join(home, slot)).catch(() => 'does not run') : 'empty',
    )
  const json = {
    home,
    current,
    versions: Object.fromEntries(versions),
    trial: trial ?? null,
    fell: fell ?? null,
  }
  const row = (slot: string) => {
    const mark = slot === current ? '  current' : slot === trial?.slot ? '  on trial' : ''
    return `${slot}  ${versions.get(slot)}${mark}`
  }
  const more = [
    ...(trial
      ? [`trial: ${trial.tries} of 2 starts, ${trial.seconds} s each, ${trial.peers} hosts to be heard`]
      : []),
    ...(fell === undefined ? [] : [`taken back: ${fell}`]),
  ]
  return { json, text: () => [row('a'), row('b'), ...more].join('\n') }
}

/** Two folders, and the launcher in the place of bin/fleet. */
function setup(home: string, io: Io): Answer {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const slots = loadSlots(home)
  if (slots !== undefined)
    throw new CliError(`${home} has slots already`, { hint: 'fleet agent slots; fleet agent upgrade BUNDLE' })
  if (existsSync(home) && readdirSync(home).length > 0)
    throw new CliError(`${home} is not empty; nothing was changed`, {
      hint: 'move what is there aside, and run fleet agent setup from its new place',
    })
  io.progress(`copying ${realpathSync(root)} to ${home}/a`)
  mkdirSync(join(home, 'bin'), { recursive: true, mode: 0o755 })
  assemble(root, join(home, 'a'))
  copyFileSync(join(root, 'packaging/launcher.sh'), join(home, 'bin/fleet'))
  chmodSync(join(home, 'bin/fleet'), 0o755)
  // Where the unit says that it is.
  if (existsSync(join(root, 'README.md'))) copyFileSync(join(root, 'README.md'), join(home, 'README.md'))
  for (const path of ['bin/fleet', 'bin', 'a']) syncPath(join(home, path))
  saveSlots(home, { current: 'a' })
  const unit = join(home, 'a/packaging/fleet.service')
  return {
    json: { home, current: 'a', unit },
    text: () =>
      [
        `${home}/bin/fleet now runs what is in ${home}/a; an upgrade goes to ${home}/b`,
        ...(home === '/opt/fleet' ? [] : [`the unit names /opt/fleet: put ${home} in its ExecStart`]),
        `next: cp ${unit} /etc/systemd/system/; systemctl daemon-reload; systemctl enable --now fleet`,
      ].join('\n'),
  }
}

async function upgrade(
  home: string,
  slots: Slots,
  bundle: string,
  options: Options,
  io: Io,
): Promise<Answer> {
  if (slots.trial !== undefined)
    throw new CliError(
      `${slots.trial.version} is on trial in slot ${slots.trial.slot}; nothing was changed`,
      {
        hint: 'wait until it has proved itself, or is taken back: fleet agent slots',
      },
    )
  const seconds = numberOption(options, 'deadline', 5, 86_400) ?? trialSeconds
  const slot = otherSlot(slots.current)
  io.progress(`unpacking into ${home}/${slot}`)
  const version = await stageBundle(home, slot, bundle)
  const now = await versionOf(join(home, slots.current)).catch(() => '')
  if (isOlder(version, now) && options['downgrade'] !== true) {
    dropStaged(home, slot)
    throw new CliError(
      `${version} is older than ${now}, and may not read what that has written; nothing was changed`,
      {
        hint: 'if it is known to: --downgrade',
      },
    )
  }
  const status = await ask<StatusView>(options, io, { ask: 'status' }).catch(error => {
    if (error instanceof CliError && error.exit === exits.noAgent) return undefined
    throw error
  })
  const peers = peersWanted(status?.peers ?? 0)
  const { trial } = beginTrial(home, slots, version, peers, seconds)
  if (status === undefined)
    return {
      json: { version, slot, started: false },
      text: () => `${version} is in slot ${slot}, and is tried when the agent is started: none runs now`,
    }
  try {
    await ask(options, io, { ask: 'handover' })
  } catch (error) {
    saveSlots(home, slots)
    throw error
  }
  const words = `${version} in slot ${slot} is on trial: ${seconds} s to plan what is in force and to hear ${peers} of ${status.peers} hosts`
  if (options['wait'] !== true)
    return {
      json: { version, slot, started: true, trial },
      text: () => `${words}\nhow it goes: fleet agent slots`,
    }
  io.progress(words)
  for (;;) {
    const { current, trial, fell } = loadSlots(home) ?? slots
    if (trial === undefined) {
      const text = () =>
        current === slot ? `${version} has proved itself: slot ${slot} is current` : `taken back: ${fell}`
      return {
        exit: current === slot ? exits.ok : exits.failed,
        json: { version, slot, current, fell: fell ?? null },
        text,
      }
    }
    await sleep(200)
  }
}
