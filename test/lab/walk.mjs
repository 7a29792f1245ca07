// Run in a host: prints a line for every path of its disk (type, mode, owner, size or target, digest of the content), so
// that two moments can be compared. Arguments: folders that are left out.
import { createHash } from 'node:crypto'
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'

const out = new Set(process.argv.slice(2))
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
      if (!out.has(below)) walk(below)
    }
  } else if (stat.isSymbolicLink()) lines.push(`${path}\tlink ${readlinkSync(path)}`)
  else if (stat.isFile())
    lines.push(`${path}\tfile ${who} ${createHash('sha1').update(readFileSync(path)).digest('hex')}`)
  else lines.push(`${path}\tother ${who}`)
}

walk('/')
process.stdout.write(`${lines.sort().join('\n')}\n`)
