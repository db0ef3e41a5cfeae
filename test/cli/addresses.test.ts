import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createClient } from '../../src/client/client.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'
import { ROOT } from '../support/source-tree.ts'

/** With the signs that part an address in it, as a password may have them. */
const PASSWORDS = ['canary77', 'can/ary77', 'can#ary77', 'can?ary77', 'can@ary77']
/** Nothing listens there. */
const NOWHERE = '127.0.0.1:9'

/** What a real command says on both streams, with its exit status. */
const said = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> =>
  new Promise((resolve) => {
    execFile(process.execPath, ['bin/imagegate.mjs', ...args], { cwd: ROOT, env: { ...BARE_ENVIRONMENT, ...env } }, (error, out, err) =>
      resolve(`${out}${err}status ${error?.code ?? 0}`),
    )
  })

test('an address with a user name and a password is refused in words at every command, and nothing of it is repeated', async () => {
  const named = [
    ...PASSWORDS.map((password) => `http://ursula:${password}@${NOWHERE}`),
    `ursula:canary77@${NOWHERE}`,
    'ftp://ursula:canary77@h',
  ]
  const outcomes = await Promise.all([
    ...named.map((url) => said(['models', '--url', url])),
    ...named.map((url) => said(['doctor', '--json', '--url', url])),
    ...['get', 'cancel', 'list', 'costs', 'providers'].map((verb) =>
      said([verb, ...(/^(?:get|cancel)$/.test(verb) ? ['gen_x'] : []), '--json'], { IMAGEGATE_URL: named[0] ?? '' }),
    ),
    said(['keys', 'list', '--url', named[0] ?? '']),
  ])
  for (const outcome of outcomes) {
    expect(outcome).not.toMatch(/ursula|ary77/)
    expect(outcome).toMatch(/user name|is not an http\(s\) address/)
    expect(outcome).toMatch(/status [12]$/)
  }
}, 120_000)

test('an address of a document to learn from is repeated without its user name, password and query', async () => {
  const server = createServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const outcomes = await Promise.all([
    ...PASSWORDS.map((password) => said(['learn', `http://ursula:${password}@${NOWHERE}/openapi.json`])),
    said(['learn', `http://127.0.0.1:${port}/openapi.json?token=canary77`]),
    said(['learn', `http://${NOWHERE}/openapi.json?token=canary77`]),
    said(['learn', 'postgres://ursula:canary77@h/x']),
  ])
  server.close()
  for (const outcome of outcomes) {
    expect(outcome).not.toMatch(/ursula|ary77/)
    expect(outcome).toMatch(/cannot be read|answered 404/)
  }
}, 120_000)

test('a client of such an address rejects in words that do not repeat it, also where the error is printed whole', async () => {
  for (const url of [...PASSWORDS.map((password) => `http://ursula:${password}@${NOWHERE}`), 'ursula:canary77'])
    for (const call of [
      (client: ReturnType<typeof createClient>) => client.models(),
      (client: ReturnType<typeof createClient>) => client.costsAsCsv(),
    ]) {
      const error: unknown = await call(createClient({ url })).catch((error: unknown) => error)
      expect(inspect(error)).toMatch(/ClientError/)
      expect(inspect(error)).not.toMatch(/ursula|ary77/)
    }
})
