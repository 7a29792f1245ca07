import { defineConfig } from 'vitest/config'

const project = (name: string, include: string[], extra: object = {}) => ({
  test: { name, include, testTimeout: 20_000, ...extra },
})

// Reports as JSON too when .ci/run asks for it, one file a run.
const report = process.env['FLEET_TEST_REPORT']

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
    ...(report
      ? { reporters: ['default', 'json'], outputFile: { json: `${report}/${process.pid}.json` } }
      : {}),
    projects: [
      project('tidy', ['test/tidy.test.ts']),
      project('unit', ['test/{signing,gossip,node,cli,sim,bench}/**/*.test.ts']),
      project('compliance', ['test/compliance/**/*.test.ts'], { testTimeout: 60_000 }),
      project('e2e', ['test/{e2e,golden}/**/*.test.ts'], { testTimeout: 120_000, hookTimeout: 120_000 }),
      // Needs root and minutes: `npm run test:lab`, never `npm test`.
      ...(process.env['FLEET_LAB']
        ? [
            project('lab', ['test/lab/**/*.test.ts'], {
              testTimeout: 300_000,
              hookTimeout: 300_000,
              fileParallelism: false,
            }),
          ]
        : []),
    ],
  },
})
