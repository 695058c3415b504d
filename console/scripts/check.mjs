// Everything that can be said about the console without a browser: types, style, generated client, messages, budgets.
import { spawnSync } from 'node:child_process'

const steps = [
  ['generated client', ['node', 'scripts/api.mjs', '--check']],
  ['types', ['npx', '--no-install', 'tsc', '--noEmit']],
  ['style', ['npx', '--no-install', 'biome', 'check', '.']],
  ['unit', ['node', 'tests/unit.mjs']],
  ['build', ['npx', '--no-install', 'vite', 'build', '--logLevel', 'warn']],
  ['budgets', ['node', 'scripts/budget.mjs']],
]
let failed = 0
for (const [name, [command, ...args]] of steps) {
  const started = performance.now()
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  const took = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${took} s)`)
  if (status !== 0) failed += 1
}
process.exit(failed ? 1 : 0)
