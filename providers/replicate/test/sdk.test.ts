import Replicate from 'replicate'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { useRealSockets } from '../../../test/transport/real-sockets.ts'
import { startEmulator } from '../emulator.ts'

/** The vendor's own SDK takes the emulator for the real thing: its calls are accepted, and it reads the replies into its own types. */
let sandbox: Sandbox
let replicate: Replicate
useRealSockets()
beforeAll(async () => {
  sandbox = await startEmulator({ typicalMs: 4 })
  replicate = new Replicate({ auth: SANDBOX_KEY, baseUrl: `${sandbox.url}/v1`, useFileOutput: false })
})
afterAll(() => sandbox.close())

const wait = { mode: 'poll', interval: 5 } as const
const MODEL = 'black-forest-labs/flux-2-pro'

describe('the vendor’s own SDK, pointed at the emulator,', () => {
  test('runs a model and reads its output, of a custom size and of a shape', async () => {
    const asked = { prompt: 'a lighthouse', aspect_ratio: 'custom', width: 512, height: 768, output_format: 'png', seed: 7 }
    const output: unknown = await replicate.run(MODEL, { input: asked, wait })
    expect(output).toMatch(/^http:.*\.png$/)
    expect((await fetch(output as string)).headers.get('content-type')).toBe('image/png')
    const shape = { prompt: 'a lighthouse', aspect_ratio: '16:9' }
    expect(await replicate.run('black-forest-labs/flux-kontext-pro', { input: shape, wait })).toMatch(/\.png$/)
  })

  test('lists predictions with the address for callbacks that each came with, the newest first', async () => {
    const webhook = 'https://gate.example/hooks/1'
    const made = await replicate.predictions.create({
      model: MODEL,
      input: { prompt: 'listed' },
      webhook,
      webhook_events_filter: ['completed'],
    })
    const { results } = await replicate.predictions.list()
    expect(results[0]).toMatchObject({ id: made.id, model: MODEL, webhook, input: { prompt: 'listed' } })
  })

  test('cancels a prediction, which stays canceled', async () => {
    const { id } = await replicate.predictions.create({ model: MODEL, input: { prompt: 'sandbox:never' } })
    expect((await replicate.predictions.cancel(id)).status).toBe('canceled')
    expect(await replicate.predictions.get(id)).toMatchObject({ status: 'canceled', output: null })
  })

  test('throws what a prediction failed with, and the errors of the API', async () => {
    const failed = (prompt: string) => replicate.run(MODEL, { input: { prompt }, wait })
    await expect(failed('sandbox:moderated')).rejects.toThrow('(E005)')
    await expect(failed('sandbox:moderated-output')).rejects.toThrow('NSFW')
    await expect(failed('sandbox:unauthorized')).rejects.toThrow('401')
    await expect(failed('sandbox:no-credit')).rejects.toThrow('402')
    await expect(replicate.run(MODEL, { input: { prompt: 'x', width: 1 }, wait })).rejects.toThrow('input.width: must be at least 256')
  })
})
