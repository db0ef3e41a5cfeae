import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { littleTurn } from '../reading/turn-share.ts'
import { page } from './paging.ts'

/** A page that is longer is sent while it is written, so that no more than this of it is held for a reader that is slow. */
const HELD_BYTES = 256 * 1_024

export interface Page<Entry> {
  readonly records: readonly Entry[]
  readonly nextCursor: string | null
}

/**
 * Answers with a page whose entries are read and written one after the other, in turns of their caller: a hundred comparisons of twenty images each
 * are 40 MB, which would take as long as all of them at once.
 */
export async function sendPage<Entry>(
  { gatewayKey, ip }: FastifyRequest,
  reply: FastifyReply,
  { records, nextCursor }: Page<Entry>,
  view: (record: Entry) => unknown,
): Promise<FastifyReply> {
  const [before = '', after = ''] = JSON.stringify(page<never>([], nextCursor)).split(']', 2)
  const turn = (): Promise<void> => littleTurn(gatewayKey ?? ip, 0)
  async function* written(): AsyncGenerator<Buffer> {
    for (const [index, record] of records.entries()) {
      await turn()
      const entry = await view(record)
      await turn()
      const text = JSON.stringify(entry)
      await turn()
      yield Buffer.from(`${index === 0 ? before : ','}${text}`)
    }
    yield Buffer.from(`${records.length === 0 ? before : ''}]${after}`)
  }
  const pieces = written()
  const first: Buffer[] = []
  let bytes = 0
  reply.type('application/json; charset=utf-8')
  // What cannot be read is answered as a problem, as long as nothing was sent.
  for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
    first.push(piece.value)
    bytes += piece.value.length
    if (bytes >= HELD_BYTES) return reply.send(Readable.from(begunWith(first, pieces), { objectMode: false }))
  }
  return reply.send(Buffer.concat(first))
}

async function* begunWith(first: Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for (let piece = first.shift(); piece !== undefined; piece = first.shift()) yield piece
  yield* rest
}
