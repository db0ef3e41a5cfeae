import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, request as send } from 'undici'

/** The floor of a kept image: orders it, then fetches, hashes and writes it piece by piece, with nothing else. Prints its port. */
const vendor = process.argv[2] ?? ''
const dispatcher = new Agent({ connections: 64, allowH2: false })
const folder = mkdtempSync(join(tmpdir(), 'imagegate-floor-'))
const order = '[{"taskType":"imageInference","taskUUID":"57dfe0a1-910d-4be7-ba1a-bdc5c876e655"}]'
let written = 0

const server = createServer((request, response) => {
  request.resume()
  request.on('end', () => void answer())
  const answer = async (): Promise<void> => {
    const reply = await send(`${vendor}/v1`, { method: 'POST', dispatcher, headers: { 'content-type': 'application/json' }, body: order })
    const { data } = (await reply.body.json()) as { data: [{ imageURL: string }] }
    const { body } = await send(data[0].imageURL, { dispatcher })
    const hash = createHash('sha256')
    const file = await open(join(folder, String(written++)), 'w')
    for await (const piece of body as AsyncIterable<Buffer>) {
      hash.update(piece)
      await file.write(piece)
    }
    await file.close()
    response.end(hash.digest('hex'))
  }
})
server.keepAliveTimeout = 60_000
process.on('SIGTERM', () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit()
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as { port: number }).port}\n`))
