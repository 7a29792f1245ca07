// Reads what a page is made of: script and style of ours and uPlot's. What the page says is html.ts's.
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'

export interface Assets {
  readonly script: string
  readonly style: string
  readonly plotScript: string
  readonly plotStyle: string
  readonly plotLicense: string
}

/** What bin/bundle.ts copies beside the page's own files, so that a bundle needs no node_modules for it. */
export const plotFiles = {
  'uPlot.iife.min.js': 'uplot/dist/uPlot.iife.min.js',
  'uPlot.min.css': 'uplot/dist/uPlot.min.css',
  'uPlot.LICENSE': 'uplot/LICENSE',
} as const

/** One script to the page: each may use what stands in those before it. */
const scripts = ['axis.js', 'curve.js', 'lanes.js', 'heat.js', 'page.js']

export function readAssets(): Assets {
  // The same relative path in sim/ and in dist/.
  const beside = (name: string) => fileURLToPath(new URL(`./page/${name}`, import.meta.url))
  const require = createRequire(import.meta.url)
  const ours = (name: string) => readFileSync(beside(name), 'utf8')
  const plot = (name: keyof typeof plotFiles) =>
    readFileSync(existsSync(beside(name)) ? beside(name) : require.resolve(plotFiles[name]), 'utf8')
  return {
    script: scripts.map(ours).join('\n'),
    style: ours('page.css'),
    plotScript: plot('uPlot.iife.min.js'),
    plotStyle: plot('uPlot.min.css'),
    plotLicense: plot('uPlot.LICENSE'),
  }
}
