// `fleet enroll`: one more line of the roster, at its place by name. Lines and comments that are there stay as they are.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text, utf8 } from '../../signing/bytes.ts'
import { fingerprint, keyWord } from '../../signing/keys.ts'
import { type Host, parseRoster, writeRoster } from '../../signing/roster.ts'
import { CliError, type CommandSpec, exits } from '../command.ts'
import { commitPaths } from '../commit.ts'
import { authorOf } from '../operator.ts'
import { badInput, findProject, readTree, trustOf } from '../project.ts'
import { count } from '../render.ts'

const rosterFile = 'trust/hosts'

export const spec: CommandSpec = {
  args: [
    ['<line>', "what fleet join printed on the host: 'NAME ssh-ed25519 KEY …'"],
    ['[more...]', 'addr=HOST:PORT and label=value, which beat those of the line'],
  ],
  options: [['--commit', 'commit trust/hosts']],
  about: 'Compare the key with the one that the host shows: whoever holds it will be admitted.',
  examples: ["fleet enroll 'web1 ssh-ed25519 AAAAC3NzaC1l…' addr=192.0.2.7 role=web"],
  json: true,
  async run([line = '', ...more], options, io) {
    const project = findProject(io.cwd)
    const tree = await readTree(project, 'worktree')
    const { roster } = trustOf(tree)
    const host = readLine(line, more)
    const before = text(tree.files.get(rosterFile)!.bytes)!
    refuseTwice(before, host)
    const after = insert(before, host)
    const parsed = parseRoster(utf8(after), rosterFile)
    if (parsed.kind === 'bad') throw badInput(parsed.problems)

    writeFileSync(join(project.root, rosterFile), after)
    const committed =
      options['commit'] === true
        ? await commitPaths(project.root, [rosterFile], `Enroll ${host.name}`, authorOf(project.root, io))
        : null
    const json = {
      name: host.name,
      fingerprint: fingerprint(host.key),
      addresses: host.addresses,
      labels: { ...host.labels },
      line: canonical(host).trimEnd(),
      hosts: roster.length + 1,
      commit: committed,
    }
    const then =
      committed === null
        ? `git commit -m 'Enroll ${host.name}' ${rosterFile} && fleet publish`
        : 'fleet publish'
    return {
      json,
      text: () =>
        `enrolled ${host.name}, ${json.fingerprint}; ${count(json.hosts, 'host')} on the roster\n\nNext: ${then}`,
    }
  },
}

const canonical = (host: Host): string => text(writeRoster([host]))!

/** The host of a line; what is said beside it counts more. */
function readLine(line: string, more: readonly string[]): Host {
  const said = new Set(more.map(word => word.split('=')[0]))
  const words = line.trim().split(/\s+/)
  const kept = words.filter((word, at) => at < 3 || !word.includes('=') || !said.has(word.split('=')[0]))
  const parsed = parseRoster(utf8(`${[...kept, ...more].join(' ')}\n`), 'LINE')
  if (parsed.kind === 'bad') throw badInput(parsed.problems)
  const [host] = parsed.value
  if (host) return host
  throw new CliError("found an empty line, expected 'NAME ssh-ed25519 KEY …'", {
    exit: exits.badInput,
    hint: 'fleet join prints it on the host',
  })
}

/** Words of the lines that hold a host, with their numbers. */
const hostLines = (roster: string) =>
  roster
    .split('\n')
    .flatMap((line, at) => (/^\s*(#|$)/.test(line) ? [] : [{ at, words: line.trim().split(/\s+/) }]))

function refuseTwice(roster: string, { name, key }: Host): void {
  for (const { at, words } of hostLines(roster)) {
    const what =
      words[0] === name
        ? `the name ${name}`
        : words[2] === keyWord(key)
          ? `this key, under the name ${words[0]},`
          : undefined
    if (what !== undefined)
      throw new CliError(`${rosterFile}:${at + 1}: ${what} is on the roster already; nothing was changed`, {
        exit: exits.badInput,
        hint: `to replace it, remove line ${at + 1} first`,
      })
  }
}

/** Before the first host whose name comes later. */
function insert(roster: string, host: Host): string {
  const lines = roster === '' ? [] : roster.replace(/\n$/, '').split('\n')
  const later = hostLines(roster).find(({ words }) => words[0]! > host.name)
  lines.splice(later?.at ?? lines.length, 0, canonical(host).trimEnd())
  return `${lines.join('\n')}\n`
}
