// Run in a host: prints a line for every path of its disk (type, mode, owner, size or target, digest of the content), so
// that two moments can be compared. Arguments: folders that are left out.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const out = new Set(process.argv.slice(2))
/** In these the order of the lines means nothing. */
const accounts = /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)$/
// What dpkg remembers of a package that is removed belongs to the configuration files of it that stay.
const dpkg = '/var/lib/dpkg'
const records = readFileSync(`${dpkg}/status`, 'utf8').trim().split(/\n\n+/)
const installed = records.filter(each => /^Status: .* installed$/m.test(each))
const removed = new Set(
  records.filter(each => !installed.includes(each)).map(each => /^Package: (.*)$/m.exec(each)[1]),
)

function content(path) {
  if (path === `${dpkg}/status`) return installed.sort().join('\n\n')
  const bytes = readFileSync(path)
  return accounts.test(path) ? bytes.toString().split('\n').sort().join('\n') : bytes
}
const { dev } = lstatSync('/')
const lines = []

function walk(path) {
  const stat = lstatSync(path)
  const who = `${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid}`
  if (stat.isDirectory()) {
    lines.push(`${path}\tdirectory ${who}`)
    // Nothing that is mounted: /proc, /run, what the machine lends.
    if (stat.dev !== dev) return
    for (const name of readdirSync(path)) {
      const below = path === '/' ? `/${name}` : `${path}/${name}`
      if (out.has(below)) continue
      if (path === `${dpkg}/info` && removed.has(name.replace(/(:[^.]*)?\.[^.]*$/, ''))) continue
      walk(below)
    }
  } else if (stat.isSymbolicLink()) lines.push(`${path}\tlink ${readlinkSync(path)}`)
  else if (stat.isFile())
    lines.push(`${path}\tfile ${who} ${createHash('sha1').update(content(path)).digest('hex')}`)
  else lines.push(`${path}\tother ${who}`)
}

walk('/')
process.stdout.write(`${lines.sort().join('\n')}\n`)
