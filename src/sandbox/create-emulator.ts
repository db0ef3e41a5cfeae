import { SANDBOX_KEY, type Sandbox, type StartEmulator } from './emulator.ts'
import { imageRoute } from './image-route.ts'
import { NO_JOURNAL, openJournal, type Journal } from './journal.ts'
import { createKit } from './kit.ts'
import { serve, type Route, type WireReply } from './server.ts'
import { openTaskStore } from './task-store.ts'
import type { Wire, WireRoute } from './wire.ts'

/** An emulator of one vendor: a real HTTP server on loopback with real images. It fetches and posts on this machine only. */
export function createEmulator<Facts, Answer = WireReply>(wire: Wire<Facts, Answer>): StartEmulator {
  return async ({ port = 0, typicalMs = wire.typicalMs, directory } = {}): Promise<Sandbox> => {
    const opened = new AsyncDisposableStack()
    try {
      const journal = directory === undefined ? NO_JOURNAL : openJournal(directory, wire.provider)
      opened.defer(() => journal.close())
      const { provider, unplayed, taskLifeMs: lifeMs = Number.POSITIVE_INFINITY } = wire
      const store = openTaskStore<Facts>({ provider, typicalMs, journal, lifeMs, unplayed })
      const routes: Route[] = []
      const remembered = portIn(journal)
      const server = await listen(wire, routes, port, remembered)
      opened.defer(() => server.close())
      if (server.isOwner && server.port !== remembered) journal.add({ port: server.port })
      if (server.isOwner) journal.compact([{ port: server.port }, ...store.lines()])
      const { kit, close } = createKit({ wire, store, journal, typicalMs, origin: `http://127.0.0.1:${server.port}` })
      opened.defer(close)
      routes.push(...wire.routes(kit).map((route) => withKey(wire, route)), imageRoute({ wire, store, kit, typicalMs }))
      return {
        url: kit.origin,
        submits: store.accepted,
        mostUnfinished: store.mostUnfinished,
        unplayed: wire.unplayed,
        close: () => opened.disposeAsync(),
      }
    } catch (error) {
      // One that listens would keep a process alive whose start is refused.
      await opened.disposeAsync()
      throw error
    }
  }
}

const portIn = ({ lines }: Journal): number =>
  (lines as readonly { readonly port?: number }[]).findLast(({ port }) => port !== undefined)?.port ?? 0

/**
 * Listens on the wanted port, else on that of the last start, so that links already handed out go on; on a free one where another
 * program has it, or another emulator of the same directory (`isOwner` is false then).
 */
async function listen(wire: Pick<Wire<never, never>, 'replies'>, routes: readonly Route[], wanted: number, remembered: number) {
  const server = await serve({ routes, replies: wire.replies, port: wanted || remembered }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' || wanted !== 0) throw error
    return null
  })
  if (!server) return { ...(await serve({ routes, replies: wire.replies, port: 0 })), isOwner: false }
  return { ...server, isOwner: true }
}

const withKey = (wire: Pick<Wire<never, never>, 'key' | 'replies'>, route: WireRoute): Route =>
  route.isOpen
    ? route
    : { ...route, answer: (request) => (wire.key(request) === SANDBOX_KEY ? route.answer(request) : wire.replies['wrong-key']) }
