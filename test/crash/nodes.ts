import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Generation } from '#contract'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import type { Vendors } from './vendors.ts'

/** Gateways that share a database and an image folder, each with a data folder of its own. */
export interface NodeGroup {
  readonly nodes: readonly ServerProcess[]
  /** Another node of the group. */
  start(): Promise<ServerProcess>
  remove(): Promise<void>
}

/** @param more lines of the configuration of each */
export async function startNodes(vendors: Vendors, { url, count = 3, more = '' }: NodeGroupOptions): Promise<NodeGroup> {
  const images = mkdtempSync(join(tmpdir(), 'imagegate-nodes-'))
  const folders: { remove(): void }[] = []
  const nodes: ServerProcess[] = []
  const start = async (): Promise<ServerProcess> => {
    const folder = vendors.folder(`store: { url: "${url}" }\nassets: { url: "file:${images}" }\n${more}`)
    folders.push(folder)
    const node = await startProcess(folder.environment)
    nodes.push(node)
    return node
  }
  await Promise.all(Array.from({ length: count }, start))
  return {
    nodes,
    start,
    async remove() {
      for (const node of nodes) node.signal('SIGCONT')
      await Promise.all(nodes.map((node) => node.kill('SIGKILL')))
      for (const folder of folders) folder.remove()
      rmSync(images, { recursive: true, force: true })
    },
  }
}

interface NodeGroupOptions {
  readonly url: string
  readonly count?: number
  readonly more?: string
}

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
