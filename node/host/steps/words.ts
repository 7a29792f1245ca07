// Words in text: how a value is quoted in a steps file, and how one quoted command becomes an argv. Both directions
// of the first are pinned by properties; lex.ts reads what quote() writes.

/** Characters that a backslash takes the meaning from; before any other character it stands for itself. */
export const escapable = '"\\# '

const plain = /^[^\s"#\\\x00-\x1f\x7f][^\s"\\\x00-\x1f\x7f]*$/

/**
 * The canonical spelling of a word. Quotes only where they are needed, or where `force` asks for them; a backslash is
 * doubled only where it would otherwise mean something, so that regular expressions stay readable.
 */
export function quote(text: string, force = false): string {
  if (!force && plain.test(text)) return text
  let out = '"'
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    const next = text[at + 1]
    if (char === '"') out += '\\"'
    else if (char === '\t') out += '\\t'
    else if (char < ' ' || char === '\x7f') out += `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`
    else if (char === '\\') out += next === undefined || /["\\# tx\x00-\x1f\x7f]/.test(next) ? '\\\\' : '\\'
    else out += char
  }
  return `${out}"`
}

export type Split =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'bad'; readonly message: string }

/**
 * Splits a command as a shell would, without being one: blanks, '…', "…" and backslashes; nothing is expanded. What
 * only a shell understands (`|`, `$HOME`, `>`), outside quotes, is refused instead of being passed on as a word.
 */
export function splitCommand(text: string): Split {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; at++) {
    const char = text[at]!
    if (char === ' ' || char === '\t' || char === '\n') {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (char === "'") {
      const end = text.indexOf("'", at + 1)
      if (end < 0) return bad("a ' that is not closed", "a second '")
      word = (word ?? '') + text.slice(at + 1, end)
      at = end
    } else if (char === '"') {
      word ??= ''
      for (at++; text[at] !== '"'; at++) {
        if (at >= text.length) return bad('a " that is not closed', 'a second "')
        if (text[at] === '\\' && /["\\$`]/.test(text[at + 1] ?? '')) at++
        word += text[at]!
      }
    } else if (char === '\\') {
      if (at + 1 >= text.length) return bad('a backslash at the end of a command', 'a character after it')
      word = (word ?? '') + text[++at]!
    } else if ('|&;<>()$`'.includes(char)) {
      return bad(`${char} outside quotes in a command`, 'plain words, or the option shell')
    } else {
      word = (word ?? '') + char
    }
  }
  if (word !== undefined) words.push(word)
  return words.length > 0 && words[0] !== ''
    ? { kind: 'words', words }
    : bad('an empty command', 'the program to run')
}

function bad(found: string, expected: string): Split {
  return { kind: 'bad', message: `found ${found}; expected ${expected}` }
}
