// Writes docs/verbs/ from what the verbs say of themselves: `npm run docs`. A test says when that is due.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { indexPage, markdown, pages } from '../cli/reference.ts'

const folder = fileURLToPath(new URL('../docs/verbs/', import.meta.url))
mkdirSync(folder, { recursive: true })
const all = pages()
for (const name of readdirSync(folder)) rmSync(`${folder}${name}`)
writeFileSync(`${folder}README.md`, indexPage(all))
for (const page of all) writeFileSync(`${folder}${page.name}.md`, markdown(page))
console.log(`docs/verbs: ${all.length} pages`)
