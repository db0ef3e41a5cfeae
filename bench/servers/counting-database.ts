import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface DatabaseTraffic {
  /** How often something was sent after the server had answered all that came before. */
  readonly trips: number
  readonly statements: number
}

/** A way to the PostgreSQL server whose socket is in `folder`, which counts what passes. */
export interface CountingDatabase {
  /** The folder of its own socket. */
  readonly folder: string
  counted(): DatabaseTraffic
  close(): void
}

const SOCKET = '.s.PGSQL.5432'
const BIND = 0x42
const QUERY = 0x51

export async function countingDatabase(folder: string): Promise<CountingDatabase> {
  const own = mkdtempSync(join(tmpdir(), 'imagegate-counted-'))
  let trips = 0
  let statements = 0
  const relay = (client: Socket): void => {
    const server = connect(join(folder, SOCKET))
    let hasAnswered = true
    let isStartup = true
    let rest: Buffer = Buffer.alloc(0)
    client.on('data', (bytes: Buffer) => {
      if (hasAnswered && !isStartup) trips++
      hasAnswered = false
      rest = Buffer.concat([rest, bytes])
      // The first message has no letter.
      for (let start = isStartup ? 0 : 1; rest.length >= start + 4; start = 1) {
        const end = start + rest.readUInt32BE(start)
        if (rest.length < end) break
        if (start === 1 && (rest[0] === BIND || rest[0] === QUERY)) statements++
        isStartup = false
        rest = rest.subarray(end)
      }
    })
    server.on('data', () => (hasAnswered = true))
    client.pipe(server).pipe(client)
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const)
      one.on('error', () => other.destroy())
  }
  const server = createServer(relay)
  await new Promise<void>((resolve) => server.listen(join(own, SOCKET), resolve))
  return {
    folder: own,
    counted: () => ({ trips, statements }),
    close() {
      server.close()
      rmSync(own, { recursive: true, force: true })
    },
  }
}
