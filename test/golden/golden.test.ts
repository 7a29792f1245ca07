// Stories in Markdown: what a person types and what they see, run for real. Each ```console block is a command after
// `$ ` and its exact output (stderr too, then `exit N` when N is not 0); ```file NAME blocks are written as they are. A
// story has a temporary folder of its own, with a home in it. FLEET_WRITE_GOLDEN=1 writes what was seen.
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'

const here = fileURLToPath(new URL('.', import.meta.url))
const cli = fileURLToPath(new URL('../../cli/main.ts', import.meta.url))

const compiled = mkdtempSync(join(tmpdir(), 'fleet-golden-cache-'))
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

/** What differs from run to run, by name. Order counts: longer things first. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/fleet1\.[A-Za-z0-9_-]{20,}/g, '[JOIN]'],
  [/fleet1\.[A-Za-z0-9_-]{5}…/g, '[JOIN]…'],
  [/SHA256:[A-Za-z0-9+/]{43}/g, '[FINGERPRINT]'],
  [/AAAAC3NzaC1lZDI1NTE5AAAA[A-Za-z0-9+/]{44}/g, '[KEY]'],
  [/12D3KooW[A-Za-z0-9]{44}/g, '[PEER]'],
  [/\b[0-9a-f]{64}\b/g, '[ID]'],
  [/\b[0-9a-f]{40}\b/g, '[COMMIT]'],
  [/\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{10}\b/g, '[SHORT]'],
  // Said by root only.
  [/ owner=0 group=0/g, ''],
]

interface Block {
  readonly kind: 'text' | 'console' | 'file'
  readonly head: string
  readonly body: string
}

/** The blocks of a story; joined by `write` they are the story again. */
function read(story: string): Block[] {
  const blocks: Block[] = []
  let rest = story
  for (;;) {
    const match = /^```(console|file [^\n]+)\n([\s\S]*?)^```$/m.exec(rest)
    if (!match) return [...blocks, { kind: 'text', head: '', body: rest }]
    blocks.push({ kind: 'text', head: '', body: rest.slice(0, match.index) })
    const kind = match[1] === 'console' ? 'console' : 'file'
    blocks.push({ kind, head: match[1]!, body: match[2]! })
    rest = rest.slice(match.index + match[0].length)
  }
}

const write = (blocks: readonly Block[]) =>
  blocks.map(({ kind, head, body }) => (kind === 'text' ? body : `\`\`\`${head}\n${body}\`\`\``)).join('')

class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'fleet-golden-'))
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    const bin = join(this.folder, 'bin')
    for (const each of ['home', 'work', 'bin']) mkdirSync(join(this.folder, each))
    writeFileSync(join(bin, 'fleet'), `#!/bin/sh\nexec '${process.execPath}' '${cli}' "$@"\n`)
    chmodSync(join(bin, 'fleet'), 0o755)
    this.#env = {
      PATH: `${bin}:${process.env['PATH']}`,
      HOME: join(this.folder, 'home'),
      GIT_AUTHOR_NAME: 'Alice',
      GIT_AUTHOR_EMAIL: 'alice@example.org',
      GIT_COMMITTER_NAME: 'Alice',
      GIT_COMMITTER_EMAIL: 'alice@example.org',
      LC_ALL: 'C.UTF-8',
      TMP: this.folder,
      // A story starts many processes: they share what was compiled.
      NODE_COMPILE_CACHE: compiled,
    }
  }

  /** The commands of a block, each with what it printed. `cd` lasts: the shell says where it ended. */
  async console(body: string): Promise<string> {
    let seen = ''
    for (const line of body.split('\n').filter(each => each.startsWith('$ ')))
      seen += `${line}\n${await this.#run(line.slice(2))}`
    return seen
  }

  #cwd = 'work'

  async #run(command: string): Promise<string> {
    const script = `cd "$TMP/${this.#cwd}" && { ${command}\n} 2>&1; code=$?; pwd >"$TMP/cwd"; exit $code`
    const child = spawn('/bin/sh', ['-c', script], { env: this.#env, stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise<number | null>(resolve => child.on('close', resolve))
    let out = ''
    for await (const chunk of child.stdout.setEncoding('utf8')) out += chunk
    const code = await ended
    this.#cwd = readFileSync(join(this.folder, 'cwd'), 'utf8')
      .trim()
      .slice(this.folder.length + 1)
    const whole = out === '' || out.endsWith('\n') ? out : `${out}\n`
    return this.#normal(`${whole}${code === 0 ? '' : `exit ${code}\n`}`)
  }

  file(name: string, body: string): void {
    const path = join(this.folder, this.#cwd, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, body)
  }

  #normal(text: string): string {
    const known = text
      .replaceAll(this.folder, '[TMP]')
      .replaceAll(`${userInfo().username}@${hostname()}`, '[USER]')
      .replace(new RegExp(`\\b${hostname()}\\b`, 'g'), '[HOSTNAME]')
    return patterns.reduce((now, [pattern, name]) => now.replace(pattern, name), known)
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

for (const name of readdirSync(here).filter(each => each.endsWith('.md'))) {
  test.concurrent(name, { timeout: 60_000 }, async () => {
    const story = readFileSync(join(here, name), 'utf8')
    const stage = new Stage()
    try {
      const seen: Block[] = []
      for (const block of read(story)) {
        if (block.kind === 'file') stage.file(block.head.slice('file '.length), block.body)
        seen.push(block.kind === 'console' ? { ...block, body: await stage.console(block.body) } : block)
      }
      if (process.env['FLEET_WRITE_GOLDEN']) writeFileSync(join(here, name), write(seen))
      else expect(write(seen)).toBe(story)
    } finally {
      stage.close()
    }
  })
}
