import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

test('a gateway whose WebSockets do not answer that they are closed ends within seconds of SIGTERM', { timeout: 60_000 }, async () => {
  const gateway = await gatewayWith('limits: {}\n')
  const { hostname, port, host } = new URL(gateway.url)
  for (let index = 0; index < 3; index++) {
    const socket = connect({ host: hostname, port: Number(port) }).on('error', () => {})
    socket.write(
      `GET /runware/v1 HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(String(answer)).toContain('101')
  }
  const askedAt = performance.now()
  await gateway.kill('SIGTERM')
  expect(performance.now() - askedAt).toBeLessThan(10_000)
})
