import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ownServer } from './postgres.ts'

const SOCKET = '.s.PGSQL.5432'

/** A way to a server that can be disturbed: what a gateway says on it gets lost, and nothing is answered. */
export async function startWay(server: Pick<ReturnType<typeof ownServer>, 'url'>) {
  const at = new URL(server.url('postgres')).searchParams.get('host') ?? ''
  const folder = await mkdtemp(join(tmpdir(), 'imagegate-way-'))
  const first = Promise.withResolvers<void>()
  const each = Promise.withResolvers<void>()
  const state = { isAsked: false, isLost: false, toLose: 0 }
  const sockets = new Set<net.Socket>()
  const way = net.createServer((client) => {
    const there = net.connect(join(at, SOCKET))
    let name = 'COMMIT'
    let isSilent = false
    for (const one of [client, there]) {
      sockets.add(one)
      one.on('error', () => {})
      one.on('close', () => (client.destroy(), there.destroy()))
    }
    client.on('data', (data) => {
      const text = data.toString('latin1')
      name = /(imagegate_\d+)\0COMMIT/.exec(text)?.[1] ?? name
      const isCommit = text.includes(`${name}\0`)
      if (state.isAsked && isCommit) {
        state.isLost = true
        first.resolve()
      }
      if (state.toLose > 0 && isCommit && !isSilent) {
        isSilent = true
        if (--state.toLose === 0) each.resolve()
      }
      if (!state.isLost && !isSilent) there.write(data)
    })
    there.on('data', (data) => client.write(data))
  })
  await new Promise<void>((resolve) => way.listen(join(folder, SOCKET), resolve))
  const cut = (): void => sockets.forEach((one) => one.destroy())
  return {
    url: `postgres://gateway@localhost/postgres?host=${encodeURIComponent(folder)}`,
    /** The next commit, and everything after it. */
    loseCommit: () => ((state.isAsked = true), first.promise),
    /** So many, each on a connection of its own that says nothing from then on. */
    loseCommits: (count: number) => ((state.toLose = count), each.promise),
    /** Everything from now on. */
    silence: () => void (state.isLost = true),
    repair: () => Object.assign(state, { isAsked: false, isLost: false }),
    /** Ends the connections that there are. */
    cut,
    close() {
      way.close()
      cut()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
