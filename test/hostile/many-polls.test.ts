import { createHash } from 'node:crypto'
import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const ADMIN = 'the-key-of-the-operator'
const POLLS = 1_500

/** A poll on a connection of its own, and how often it was answered so far. */
function polling(url: string, id: string, key: string, waitS: () => number) {
  const { hostname, port } = new URL(url)
  const poll = `GET /v1/generations/${id} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${key}\r\nprefer: wait=${waitS()}\r\n\r\n`
  const answered = { times: 0 }
  const socket = connect(Number(port), hostname, () => socket.write(poll)).on('error', () => {})
  socket.on('data', (data) => (answered.times += data.toString('latin1').split('HTTP/1.1 ').length - 1))
  onTestFinished(() => void socket.destroy())
  return answered
}

test.each(['whose key is revoked', 'that have waited long enough'])(
  `${POLLS} polls %s in one moment stop nobody for 50 ms`,
  { timeout: 180_000 },
  async (how) => {
    const hash = createHash('sha256').update(ADMIN).digest('hex')
    const gateway = await gatewayWith(`keys: [{ name: operator, key_hash: ${hash}, scope: admin }]\n`, { sandboxTypicalMs: 200_000 })
    const { url } = gateway
    const post = async <Answer>(path: string, asked: object, prefer = ''): Promise<Answer> => {
      const headers = { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json', prefer }
      return (await (await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(asked) })).json()) as Answer
    }
    const neighbour = await startNeighbour(gateway)
    let least = Infinity
    for (let tries = 3; tries > 0 && least >= LONGEST_STOP_MS; tries -= 1) {
      const name = `poller-${tries}`
      const { secret } = await post<{ readonly secret: string }>('/v1/keys', { name, scope: 'write' })
      const bought = await fetch(`${url}/v1/generations`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }),
      })
      const { id } = (await bought.json()) as Generation
      // All end at one moment, whenever they came.
      const endsAt = Date.now() + 12_000
      const waitS = () => (how.includes('revoked') ? 100 : Math.max(1, Math.round((endsAt - Date.now()) / 1_000)))
      const polls: ReturnType<typeof polling>[] = []
      for (let made = 0; made < POLLS; made += 30) {
        for (let at = 0; at < 30; at += 1) polls.push(polling(url, id, secret, waitS))
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      await new Promise((resolve) => setTimeout(resolve, 2_000))
      const answered = () => polls.reduce((times, poll) => times + poll.times, 0)
      expect(answered()).toBe(0)
      const stops = await neighbour.stopsDuring(async () => {
        if (how.includes('revoked'))
          await fetch(`${url}/v1/keys/${name}`, { method: 'DELETE', headers: { authorization: `Bearer ${ADMIN}` } })
        await expect.poll(answered, { timeout: 60_000 }).toBe(POLLS)
      })
      console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
      least = Math.min(least, stops.longestMs)
    }
    neighbour.end()
    expect(least).toBeLessThan(LONGEST_STOP_MS)
  },
)
