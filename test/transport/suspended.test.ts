import { spawn } from 'node:child_process'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import { createTransport } from '../../src/transport/index.ts'
import { httpServer, providerAt, tcpServer } from './loopback.ts'
import { useRealSockets } from './real-sockets.ts'

useRealSockets()

const TIMEOUT_MS = 1_500
const SUSPENDED_MS = 2_500
const IMAGE = Buffer.alloc(8_000_000, 1)

it.skipIf(process.platform === 'win32')(
  'a process that is suspended for longer than its timeouts reads what came meanwhile and what comes soon after, and gives up on the rest',
  async () => {
    const asked: { readonly url: string; readonly response: ServerResponse }[] = []
    const server = await httpServer((request, response) => asked.push({ url: request.url ?? '', response }))
    const child = spawn(process.execPath, [`${import.meta.dirname}/suspended.ts`, server.url, String(TIMEOUT_MS)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const printed = child.stdout.setEncoding('utf8').toArray()
    while (asked.length < 5) await sleep(5)
    child.kill('SIGSTOP')
    for (const { url, response } of asked) {
      if (url === '/meanwhile') response.end('{"id":"task-1"}')
      if (url === '/soon-after') setTimeout(() => response.end('{"id":"task-2"}'), SUSPENDED_MS + 200)
      // More than a socket holds: the rest can only be sent afterwards.
      if (url === '/image') response.end(IMAGE)
    }
    await sleep(SUSPENDED_MS)
    child.kill('SIGCONT')
    expect(JSON.parse((await printed).join(''))).toMatchObject({
      meanwhile: { kind: 'reply', reply: { body: { id: 'task-1' } } },
      soonAfter: { kind: 'reply', reply: { body: { id: 'task-2' } } },
      never: { kind: 'lost', reason: `no reply within ${TIMEOUT_MS} ms` },
      withSilence: IMAGE.length,
      withinTime: IMAGE.length,
    })
  },
  30_000,
)

it('an event loop that is blocked for longer than a timeout reads what came meanwhile', async () => {
  const asked = Promise.withResolvers<void>()
  const server = await tcpServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
    asked.resolve()
  })
  const transport = createTransport({ providers: [providerAt(server.url)], allow: [] })
  onTestFinished(() => transport.close())
  const sending = transport.send('acme', { purpose: 'poll', method: 'GET', url: '/' }, 300)
  await asked.promise
  const until = performance.now() + 400
  while (performance.now() < until);
  expect(await sending).toHaveProperty('kind', 'reply')
})
