import type { Call } from '#contract'
import type { Connection, LogFields, Ports, Send, Sent } from '../ports.ts'

/** A call of a generation and what came back. */
export interface Exchange {
  readonly call: Call
  readonly sent: Sent
}

export interface Recorder {
  /** The same ports, with every call of an attempt recorded. */
  readonly wrap: (ports: Ports) => Ports
  /** What was said for a generation so far, in order. */
  of(generation: string): readonly Exchange[]
}

/**
 * Records what the core sends to vendors, and their replies.
 * @param instead sends in place of the connection, where it says so: how a refusal is asked for without buying
 */
export function createRecorder(instead: () => Send | null): Recorder {
  const exchanges = new Map<string, Exchange[]>()
  const record = (about: LogFields | undefined, call: Call, sent: Sent): Sent => {
    const id = about?.generation ?? ''
    exchanges.set(id, [...(exchanges.get(id) ?? []), { call: structuredClone(call), sent: structuredClone(sent) }])
    return sent
  }
  const listening = (connection: Connection): Connection => ({
    provider: connection.provider,
    async send(call, timeoutMs, about) {
      const other = instead()
      const sent = other === null ? connection.send(call, timeoutMs, about) : other(connection.provider.id, call, timeoutMs, about)
      // A free question about the account or a price is no part of a task's story.
      return call.purpose === 'account' ? sent : record(about, call, await sent)
    },
    download: (url, options) => connection.download(url, options),
    release: () => connection.release(),
  })
  return {
    wrap: (ports) => ({
      ...ports,
      connect: (id) => {
        const connection = ports.connect(id)
        return connection && listening(connection)
      },
    }),
    of: (generation) => exchanges.get(generation) ?? [],
  }
}
