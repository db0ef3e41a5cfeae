import type { Duplex } from 'node:stream'
import { newRequestId } from '../../request-id.ts'

/** An upgrade that asks for no WebSocket, or for one in a way that cannot be: answered in the vendor's shape, like every other mistake. */
export function refuseUpgrade(error: Error, socket: Duplex): void {
  const body = JSON.stringify({ errors: [{ code: 'invalidRequest', message: `No WebSocket was opened: ${error.message}.` }] })
  const headers = [
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    // The one version that there is (RFC 6455).
    'sec-websocket-version: 13',
    `x-request-id: ${newRequestId()}`,
    'connection: close',
  ]
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 400 Bad Request\r\n${headers.join('\r\n')}\r\n\r\n${body}`)
}
