import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startProcess } from '../../crash/process.ts'
import type { ServerProcess } from '../../crash/process.ts'
import { ROOT } from '../../support/source-tree.ts'

const run = promisify(execFile)
const CLIENTS = join(import.meta.dirname, 'clients')
const SECRET = 'a-secret-of-team-a-1234'
const MODULES = join(ROOT, 'node_modules')
const TSC_OPTIONS =
  '--noEmit --strict --skipLibCheck --target esnext --module esnext --moduleResolution bundler --allowImportingTsExtensions --types node'

let folder: string
let server: ServerProcess
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-clients-'))
  symlinkSync(MODULES, join(folder, 'node_modules'))
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, `keys: [{ name: team-a, key_hash: ${createHash('sha256').update(SECRET).digest('hex')} }]\n`)
  server = await startProcess({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data') })
  writeFileSync(join(folder, 'openapi.json'), await (await fetch(`${server.url}/openapi.json`)).text())
}, 60_000)
afterAll(async () => {
  await server.kill('SIGTERM')
  rmSync(folder, { recursive: true, force: true })
})

/** Runs a program of a package in the folder, with the Node of the tests. */
const node = (...args: readonly string[]) => run(process.execPath, args, { cwd: folder })
const generate = (program: string, ...args: readonly string[]) =>
  node('--import', join(CLIENTS, 'with-typescript-5.mjs'), join(MODULES, program), ...args)

/** What a program prints that was type-checked against the generated client and run against the server. */
async function programOutput(name: string): Promise<unknown> {
  copyFileSync(join(CLIENTS, `${name}.ts.txt`), join(folder, `${name}.ts`))
  await node(join(MODULES, 'typescript/bin/tsc'), ...TSC_OPTIONS.split(' '), `${name}.ts`).catch((error: { stdout: string }) => {
    throw new Error(error.stdout)
  })
  return JSON.parse((await node(`${name}.ts`, server.url, SECRET)).stdout)
}

describe('clients that are generated from /openapi.json', () => {
  test('openapi-typescript and openapi-fetch make one that type-checks and buys, reads, quotes and fetches', async () => {
    await generate('openapi-typescript/bin/cli.js', 'openapi.json', '-o', 'api.ts')
    const output = await programOutput('openapi-fetch')
    expect(output).toMatchObject({ status: 'succeeded', amount: expect.any(String), same: true, offers: 1, code: 'invalid_request' })
    expect((output as { bytes: number }).bytes).toBeGreaterThan(1_000)
  }, 90_000)

  test('@hey-api/openapi-ts makes one that type-checks and follows events, lists, and reads costs', async () => {
    const settings = { input: 'openapi.json', output: { path: 'hey', module: { extension: '.ts' } } }
    writeFileSync(
      join(folder, 'hey.config.mjs'),
      `export default { ...${JSON.stringify(settings)}, plugins: ['@hey-api/client-fetch', '@hey-api/typescript', '@hey-api/sdk'] }`,
    )
    await generate('@hey-api/openapi-ts/dist/run.mjs', '-f', 'hey.config.mjs', '--no-log-file')
    const output = await programOutput('hey-api')
    expect(output).toMatchObject({ events: 'succeeded', listed: true, code: 'model_not_found', costs: true })
    expect((output as { offers: number }).offers).toBeGreaterThan(1)
  }, 90_000)
})
