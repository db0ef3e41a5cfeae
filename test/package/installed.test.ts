import { execFile, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../support/source-tree.ts'

const run = promisify(execFile)

/** As a person's shell has it: without the Node of this checkout. */
const PATH = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => !folder.includes('node_modules'))
  .join(delimiter)
const env = { PATH, HOME: process.env['HOME'] ?? '', npm_config_update_notifier: 'false' }
const PROGRAM = `import { ClientError, createClient } from 'imagegate'
import type { Generation, GenerationRequest, Quote } from 'imagegate'

const client = createClient({ url: process.argv[2] ?? '' })
const request: GenerationRequest = { model: 'flux-2-pro', prompt: 'a lighthouse', aspect_ratio: '3:2' }
const quote: Quote = await client.quote(request)
const generation: Generation = await client.create(request, { waitSeconds: 30 })
const [image] = generation.images
const bytes = image ? (await client.image(image)).length : 0
// @ts-expect-error a status is no number
const wrong: number = generation.status
const refused = await client.get('gen_nothing').catch((error: unknown) => (error instanceof ClientError ? error.problem?.code : null))
console.log(JSON.stringify({ cheapest: quote.cheapest, status: generation.status, bytes, refused, wrong }))
`

let folder: string
let project: string
let elsewhere: string
let imagegate: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-package-'))
  project = join(folder, 'project')
  elsewhere = join(folder, 'elsewhere')
  for (const made of [project, elsewhere]) mkdirSync(made)
  writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }')
  const packed = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: ROOT, env: { ...process.env } })
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '')
  const [{ size }] = JSON.parse(packed.stdout.slice(packed.stdout.indexOf('['))) as [{ size: number }]
  await run('npm', ['install', tarball, '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: project, env })
  imagegate = join(project, 'node_modules/.bin/imagegate')
  const kilobytes = Number(
    execFileSync('du', ['-sk', join(project, 'node_modules')])
      .toString()
      .split('\t')[0],
  )
  process.stdout.write(`the package: ${Math.round(size / 1024)} kB packed, ${Math.round(kilobytes / 1024)} MB installed with its Node\n`)
}, 300_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('the installed package', () => {
  test('says its version under whatever Node the shell has, from anywhere', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
    expect((await run('npx', ['--no-install', 'imagegate', '--version'], { cwd: project, env })).stdout.trim()).toBe(version)
    expect((await run(imagegate, ['--version'], { cwd: elsewhere, env })).stdout.trim()).toBe(version)
  }, 30_000)

  test('runs the demo in the sandbox and writes the images', async () => {
    const { stdout } = await run(imagegate, ['demo', '--out', 'images', '--typical-ms', '100'], { cwd: elsewhere, env })
    expect(stdout).toContain('Sandbox: every vendor is emulated on this machine and no money is spent.')
    expect(readdirSync(join(elsewhere, 'images')).length).toBeGreaterThanOrEqual(3)
  }, 60_000)

  test('serves a TypeScript program that is checked against its types, and ends on SIGTERM', async () => {
    const server = spawn(imagegate, ['serve', '--port', '0', '--json'], { cwd: elsewhere, env, stdio: ['ignore', 'pipe', 'ignore'] })
    const ended = new Promise((resolve) => server.once('exit', (code, signal) => resolve(signal ?? code)))
    try {
      const url = await new Promise<string>((resolve, reject) => {
        createInterface({ input: server.stdout }).on('line', (line) => {
          const address = /"url":"(http[^"]+)"/.exec(line)?.[1]
          if (address !== undefined) resolve(address)
        })
        void ended.then(() => reject(new Error('the server ended')))
      })
      writeFileSync(join(project, 'program.ts'), PROGRAM)
      const options = '--noEmit --strict --target esnext --module nodenext --skipLibCheck --types node --typeRoots'.split(' ')
      await run(
        process.execPath,
        [join(ROOT, 'node_modules/typescript/bin/tsc'), ...options, join(ROOT, 'node_modules/@types'), 'program.ts'],
        {
          cwd: project,
        },
      ).catch((error: { stdout: string }) => expect(error.stdout).toBe(''))
      const printed = JSON.parse((await run(process.execPath, ['program.ts', url], { cwd: project })).stdout)
      expect(printed).toMatchObject({ cheapest: expect.any(String), status: 'succeeded', refused: 'not_found' })
    } finally {
      server.kill('SIGTERM')
    }
    expect(await ended).toBe(0)
  }, 90_000)

  test('has the deployment files, the schema of the configuration and the documents', () => {
    const inside = (path: string) => existsSync(join(project, 'node_modules/imagegate', path))
    const wanted = [
      'deploy/systemd',
      'docs/operating.md',
      'imagegate.schema.json',
      'imagegate.example.yaml',
      'LICENSE',
      'README.md',
      'CHANGELOG.md',
    ]
    expect(wanted.filter((path) => !inside(path))).toEqual([])
    expect(['test', 'src', 'dist/test'].filter(inside)).toEqual([])
  })
})

test('the launcher says in a sentence that a platform has no Node of its own', async () => {
  const alone = join(folder, 'alone')
  mkdirSync(alone)
  copyFileSync(join(ROOT, 'bin/imagegate.mjs'), join(alone, 'imagegate.mjs'))
  const version = execFileSync('node', ['--version'], { env }).toString()
  if (Number(version.slice(1).split('.')[0]) >= 26) return
  const failed = await run('node', [join(alone, 'imagegate.mjs'), '--version'], { env }).catch(
    (error: { code: number; stderr: string }) => error,
  )
  expect(failed).toMatchObject({ code: 1, stderr: expect.stringMatching(/^imagegate needs Node 26, and this is v\d+.*Install Node 26/) })
})
