// Writes dist/: the command line and the agent as few files as start fast. Commands stay separate chunks, so that
// `fleet peers` does not load libp2p. classic-level stays outside, since it finds its native binary by its own path.
//   fleet.js   what is started: keeps what the others compile to beside them, and loads the one that is asked for
//   main.js    all commands; what several of them share is a chunk each, which makes 22 modules of `fleet apply`
//   local.js   `apply` and `plan` once more, in a few modules: they begin 8 ms sooner
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { assemble } from '../cli/bundle.ts'
import { plotFiles } from '../sim/assets.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
// Whoever imports one of these has Node load all that it could offer, which takes as long as a hundred files of a run.
const lean: Plugin = {
  name: 'lean',
  setup({ onResolve, onLoad }) {
    const wanted: Record<string, string> = {
      'node:process': 'export default process',
      'node:util':
        'export const stripVTControlCharacters = text => process.getBuiltinModule("node:util").stripVTControlCharacters(text)',
    }
    onResolve({ filter: /^node:(process|util)$/ }, ({ path, importer }) =>
      importer.includes('/node_modules/commander/') ? { path, namespace: 'lean' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'lean' }, ({ path }) => ({ contents: wanted[path]! }))
  },
}

const local = ['apply', 'plan']
/** Leaves the other commands out of local.js; nobody asks it for them. */
const localOnly: Plugin = {
  name: 'localOnly',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/[a-z]+\.ts$/ }, ({ path, kind, importer }) =>
      kind === 'dynamic-import' &&
      importer.endsWith('/cli/commands/index.ts') &&
      !local.includes(basename(path, '.ts'))
        ? { path, external: true }
        : undefined,
    )
  },
}

rmSync(`${root}dist.tmp`, { recursive: true, force: true })
const started = new Date()
const options: BuildOptions = {
  absWorkingDir: root,
  outdir: 'dist.tmp',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  external: ['classic-level'],
  // Some CommonJS dependencies call require() for node's own modules.
  banner: { js: "import{createRequire as __cr}from'node:module';const require=__cr(import.meta.url);" },
  logLevel: 'warning',
}
// Workers of `fleet sim --seeds` are started by file (sim/processes.ts).
const entryPoints = { main: 'cli/main.ts', 'sim-worker': 'sim/worker.ts' }
await build({ ...options, entryPoints, plugins: [lean] })
await build({ ...options, entryPoints: { local: 'cli/main.ts' }, plugins: [lean, localOnly] })
// The cache is kept by whoever may write there: half the start of `fleet apply`.
writeFileSync(
  `${root}dist.tmp/fleet.js`,
  `import{enableCompileCache}from'node:module';
enableCompileCache(import.meta.dirname+'/cache');
await import(${JSON.stringify(local)}.includes(process.argv[2])?'./local.js':'./main.js');
`,
)
// What a page of the simulator is made of, where sim/assets.ts looks first.
cpSync(`${root}sim/page`, `${root}dist.tmp/page`, { recursive: true })
for (const [name, module] of Object.entries(plotFiles))
  copyFileSync(`${root}node_modules/${module}`, `${root}dist.tmp/page/${name}`)
// A source saved while esbuild was at work must count as newer than the bundle.
utimesSync(`${root}dist.tmp/fleet.js`, started, started)
// Whole or not at all: somebody may run bin/fleet at this moment.
rmSync(`${root}dist`, { recursive: true, force: true })
renameSync(`${root}dist.tmp`, `${root}dist`)
for (const name of ['main', 'local'])
  console.log(`dist/${name}.js ${Math.round(statSync(`${root}dist/${name}.js`).size / 1024)} KiB`)
// --pack FILE.tar.gz: all that a machine needs, for `fleet agent upgrade`.
const pack = process.argv.indexOf('--pack')
if (pack >= 0) {
  const file = resolve(process.argv[pack + 1] ?? 'fleet.tar.gz')
  const folder = mkdtempSync(join(tmpdir(), 'fleet-bundle-'))
  try {
    assemble(root, join(folder, 'fleet'))
    execFileSync('tar', ['-czf', file, '--owner=0', '--group=0', '-C', folder, 'fleet'])
    console.log(`${file} ${Math.round(statSync(file).size / 1024 / 1024)} MiB`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
