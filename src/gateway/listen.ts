import { lookup } from 'node:dns'
import { once } from 'node:events'
import { createServer, isIPv6 } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { promisify } from 'node:util'
import type { FastifyListenOptions } from 'fastify'
import type { App } from '../http/app.ts'

type ListenOptions = Required<Pick<FastifyListenOptions, 'host' | 'port' | 'listenTextResolver'>>

/**
 * Listens at `host`, and at each address of `localhost`. Fastify would make a server of its own for the second address, without the rules of the
 * first: here there is one HTTP server, which is handed the connections of all of them.
 */
export async function listen(app: App, { host, port, ...rest }: ListenOptions): Promise<string> {
  if (host !== 'localhost') return app.listen({ ...rest, host, port })
  const [first = host, ...others] = new Set((await promisify(lookup)(host, { all: true })).map(({ address }) => address))
  const entrances: Server[] = []
  app.addHook('preClose', async () => entrances.forEach((entrance) => entrance.close()))
  const url = await app.listen({ ...rest, host: first, port })
  const { port: taken } = app.server.address() as AddressInfo
  for (const address of others) {
    const entrance = createServer({ noDelay: true, allowHalfOpen: true }, (socket: Socket) => app.server.emit('connection', socket))
    try {
      await once(entrance.listen(taken, address), 'listening')
      entrances.push(entrance)
      app.log.info(rest.listenTextResolver(`http://${isIPv6(address) ? `[${address}]` : address}:${taken}`))
    } catch (error) {
      // A machine may name an address that it does not have.
      app.log.warn({ address, reason: String(error) }, 'an address of localhost cannot be listened at')
    }
  }
  return url
}
