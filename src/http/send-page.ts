import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { breather } from '../reading/turn-share.ts'
import { page } from './paging.ts'

/** A page that is longer is sent while it is written, so that no more than this of it is held for a reader that is slow. */
const HELD_BYTES = 256 * 1_024

const JSON_TYPE = 'application/json; charset=utf-8'

export interface Page<Entry> {
  readonly records: readonly Entry[]
  readonly nextCursor: string | null
}

/**
 * Answers with a page whose entries are read and written one after the other, in turns of their caller: a hundred comparisons of twenty images each
 * are 40 MB, which would take as long as all of them at once.
 */
export const sendPage = <Entry>(
  request: FastifyRequest,
  reply: FastifyReply,
  { records, nextCursor }: Page<Entry>,
  view: (record: Entry) => unknown,
): Promise<FastifyReply> => sendWithList(request, reply, { ...page<never>([], nextCursor), data: records }, 'data', view)

/** Answers with JSON that is made already, and that many answers may share. */
export const sendJson = (reply: FastifyReply, json: Uint8Array): FastifyReply => reply.type(JSON_TYPE).send(json)

/** Answers with an object whose list `name` is long, in the same way. */
export async function sendWithList<Name extends string, Answer extends Readonly<Record<Name, readonly unknown[]>>>(
  { gatewayKey, ip }: FastifyRequest,
  reply: FastifyReply,
  answer: Answer,
  name: Name,
  view: (entry: Answer[Name][number]) => unknown = (entry) => entry,
): Promise<FastifyReply> {
  const [before, after] = aroundList(answer, name)
  const turn = breather(gatewayKey ?? ip)
  const entries: readonly Answer[Name][number][] = answer[name]
  async function* written(): AsyncGenerator<Buffer> {
    for (const [index, one] of entries.entries()) {
      await turn()
      const entry = await view(one)
      await turn()
      const text = JSON.stringify(entry)
      await turn()
      yield Buffer.from(`${index === 0 ? before : ','}${text}`)
    }
    yield Buffer.from(`${entries.length === 0 ? before : ''}]${after}`)
  }
  const pieces = written()
  const first: Buffer[] = []
  let bytes = 0
  reply.type(JSON_TYPE)
  // What cannot be read is answered as a problem, as long as nothing was sent.
  for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) {
    first.push(piece.value)
    bytes += piece.value.length
    if (bytes >= HELD_BYTES) return reply.send(Readable.from(begunWith(first, pieces), { objectMode: false }))
  }
  return reply.send(Buffer.concat(first))
}

/** Its JSON before the first entry and behind the last one. Inside a text the quotes around the name would be escaped. */
function aroundList(answer: object, name: string): readonly [before: string, after: string] {
  const text = JSON.stringify({ ...answer, [name]: [] })
  const list = `"${name}":[]`
  const at = text.indexOf(list) + list.length - 1
  return [text.slice(0, at), text.slice(at + 1)]
}

async function* begunWith(first: Buffer[], rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for (let piece = first.shift(); piece !== undefined; piece = first.shift()) yield piece
  yield* rest
}
