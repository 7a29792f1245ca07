// The declaration in a tree: which steps it means for a host, and every problem for the hosts of the roster. Loads the
// files that the language asks for; all meaning is node/host/steps'.
import { checkRoster, type RosterProblem } from '../node/host/steps/check-roster.ts'
import { type Declaration, type Declared, declareFor, readDeclaration } from '../node/host/steps/declare.ts'
import { decodeText } from '../node/host/steps/lex.ts'
import type { Host } from '../node/host/steps/scope.ts'
import type { Payload, Problem } from '../node/host/steps/step.ts'
import { inventoryRoster } from '../node/inventory.ts'
import type { Trust } from '../signing/trust.ts'
import { badInput, type Tree } from './project.ts'

/** A tree whose texts are parsed on demand. */
export class TreeDeclaration {
  readonly #tree: Tree
  readonly #roster: Trust['roster']
  readonly #texts = new Map<string, string>()
  readonly #problems: Problem[] = []
  readonly #declaration: Declaration

  constructor(tree: Tree, roster: Trust['roster']) {
    this.#tree = tree
    this.#roster = roster
    const read = () => readDeclaration({ files: tree.files, text: path => this.#texts.get(path) })
    let declaration = read()
    for (; declaration.needs.length > 0; declaration = read()) this.#load(declaration.needs)
    this.#declaration = declaration
  }

  /** The steps of one host; fails with all problems that it has. */
  steps(host: Host): Declared {
    for (;;) {
      const declared = declareFor(this.#declaration, host, inventoryRoster(this.#roster))
      const problems = [...this.#problems, ...declared.problems]
      if (declared.needs.length > 0) this.#load(declared.needs)
      else if (problems.length > 0) throw badInput(problems)
      else return declared
    }
  }

  /** The problems of all hosts of the roster, each once. */
  check(): readonly RosterProblem[] {
    for (;;) {
      const { problems, needs } = checkRoster(this.#declaration, inventoryRoster(this.#roster))
      if (needs.length > 0) this.#load(needs)
      else return [...this.#problems.map(each => ({ ...each, hosts: [], everywhere: true })), ...problems]
    }
  }

  /** The bytes of a payload, from the files or from what was rendered for `declared`. */
  payload(declared: Declared, payload: Payload): Uint8Array | undefined {
    return declared.rendered.get(payload.sha256) ?? this.#tree.files.get(payload.path)?.bytes
  }

  /** Texts that are not UTF-8 are problems, once. */
  #load(paths: readonly string[]): void {
    for (const path of paths) {
      const { text, problems } = decodeText(path, this.#tree.files.get(path)?.bytes ?? new Uint8Array())
      this.#texts.set(path, text)
      this.#problems.push(...problems)
    }
  }
}
