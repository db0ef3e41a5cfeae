import type { Generation } from '#contract'
import type { ServerProcess } from './process.ts'

export interface Asked {
  readonly status: number
  readonly generation: Generation
}

/** Asks one node for an image. */
export async function ask(
  { url }: Pick<ServerProcess, 'url'>,
  model: string,
  headers: Readonly<Record<string, string>>,
  more: object = {},
): Promise<Asked> {
  const reply = await fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model, prompt: 'a lighthouse', width: 256, height: 256, ...more }),
  })
  return { status: reply.status, generation: (await reply.json()) as Generation }
}
