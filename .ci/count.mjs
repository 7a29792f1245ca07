// Adds up vitest's JSON reports of a folder, prints "N passed, N failed" as the last line, and exits by it.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const [folder, status] = process.argv.slice(2)
let passed = 0
let failed = 0
for (const name of readdirSync(folder).filter(each => each.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(folder, name), 'utf8'))
  passed += report.numPassedTests
  failed += report.numFailedTests
  // A file that does not load has no tests of its own to fail.
  failed += report.testResults.filter(each => each.status === 'failed' && each.assertionResults.length === 0).length
}
if (status !== '0' && failed === 0) failed = 1
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)
