import OpenAI from 'openai'
import type { ClientOptions } from 'openai'
import sharp from 'sharp'
import type { Generation } from '#contract'
import { json } from '../../../e2e/gateway.ts'
import { launchProcess } from '../../../e2e/gateway-process.ts'
import type { ProcessOptions } from '../../../e2e/gateway-process.ts'
import type { Gateway } from '../../../e2e/gateway.ts'

/** A gateway and OpenAI's own SDK pointed at it; retries are off unless a test turns them on. */
export async function startWithClient(options: ProcessOptions = {}, client: ClientOptions = {}) {
  const gateway = await launchProcess(options)
  return { gateway, openai: clientOf(gateway.url, client) }
}

export const clientOf = (url: string, options: ClientOptions = {}): OpenAI =>
  new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any', maxRetries: 0, ...options })

/** Generations that carry this metadata, newest first: what was really begun. */
export async function begun(gateway: Gateway, name: string, headers: Record<string, string> = {}): Promise<readonly Generation[]> {
  const list = await json<{ readonly data: readonly Generation[] }>(await gateway.ask(`/v1/generations?metadata.user=${name}`, { headers }))
  return list.data
}

export const image = (width: number, height: number, background: string): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background } })
    .png()
    .toBuffer()

export const sizeOf = async (base64: string | undefined): Promise<string> => {
  const { format, width, height } = await sharp(Buffer.from(base64 ?? '', 'base64')).metadata()
  return `${format} ${width}x${height}`
}

/** What a promise rejects with; fails where it does not. */
export async function rejection(promise: PromiseLike<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new Error('it did not reject')
}
