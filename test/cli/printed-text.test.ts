import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generationError } from '#contract'
import { ROOT } from '../support/source-tree.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { fakeGateway, generation } from './fake-gateway.ts'

/** A title, a cleared screen, the same in one character of 8 bits, a line that overwrites, one that reads backwards, and two that read as ours. */
const HOSTILE = 'no\u001b]0;mine\u0007\u001b[2J\u009b2J\rbilled\u202eon :dellib\u2066\u2028billed: no\nbilled: no'
const CONTROL = /(?![\n\t])[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

/** A real command. */
const printed = (...args: readonly string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [join(ROOT, 'bin/imagegate.mjs'), ...args], { env: BARE_ENVIRONMENT }, (error, stdout) =>
      error === null ? resolve(stdout) : reject(error),
    )
  })

test('a vendor’s text is printed without control characters and makes no line of its own; as JSON nothing of it is lost', async () => {
  const error = generationError({ code: 'provider_rejected', message: HOSTILE, billed: true }, 'acme')
  const failed = generation({ status: 'failed', images: [], error })
  const { url } = await fakeGateway(({ path }) => ({ body: path === '/v1/models' ? { object: 'list', data: [] } : failed }))
  const report = await printed('get', failed.id, '--url', url)
  expect(report).not.toMatch(CONTROL)
  expect(report.split('\n').filter((line) => line.startsWith('billed'))).toEqual(['billed: yes'])
  const json = await printed('get', failed.id, '--url', url, '--json')
  expect(json).not.toMatch(CONTROL)
  expect(JSON.parse(json)).toMatchObject({ error: { message: HOSTILE } })
})

test('an image is saved in the folder that was named, whatever a gateway calls its format and its id', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-saved-'))
  const [image] = generation({}).images
  const images = ['/../../../escaped', 'png/../../../escaped.png'].map((format) => ({ ...image, format }))
  const hostile = { ...generation({}), id: '../../escaped', images }
  const { url } = await fakeGateway(({ path }) => ({
    body: path === '/v1/models' ? { object: 'list', data: [] } : path.startsWith('/v1/images/') ? Buffer.from('bytes') : hostile,
  }))
  await printed('get', 'gen_x', '--url', url, '--out', join(folder, 'a', 'b'))
  expect(
    readdirSync(folder, { recursive: true })
      .map(String)
      .filter((name) => !name.startsWith('a')),
  ).toEqual([])
  expect(readdirSync(join(folder, 'a', 'b')).length).toBe(2)
  rmSync(folder, { recursive: true })
})
