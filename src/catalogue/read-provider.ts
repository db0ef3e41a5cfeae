import { readFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { adapterOfShape } from '#adapter-kit'
import { judge, Manifest } from '#contract'
import type { Adapter, Provider, Shape } from '#contract'

/** A provider folder that cannot be used; the message has one line per problem, each with file and field. */
export class CatalogueError extends Error {}

export type ReadProvider =
  | { readonly kind: 'provider'; readonly provider: Provider }
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/** Reads one provider's folder: its manifest as data, its adapter as code. */
export async function readProvider(folder: string): Promise<ReadProvider> {
  const manifest = await readManifest(folder)
  const shape = 'value' in manifest ? manifest.value.shape : undefined
  const adapter = 'value' in manifest && shape ? shapedAdapter(folder, manifest.value, shape) : await readAdapter(folder)
  const problems = [...('problems' in manifest ? manifest.problems : []), ...('problems' in adapter ? adapter.problems : [])]
  if ('problems' in manifest || 'problems' in adapter) return { kind: 'refused', problems }
  return { kind: 'provider', provider: { id: manifest.value.id, manifest: manifest.value, adapter: adapter.value } }
}

/** Files found at run time are TypeScript in a checkout and JavaScript in the package. */
export const CODE_ENDING = import.meta.url.endsWith('.ts') ? 'ts' : 'js'

/** A provider that is data alone. @throws where the manifest names no shape */
export function shapedProvider(manifest: Manifest): Provider {
  const { id, shape } = manifest
  if (shape === undefined) throw new CatalogueError(`${id}: its manifest names no shape`)
  return { id, manifest, adapter: adapterOfShape(manifest, shape) }
}

type Read<Value> = { readonly value: Value } | { readonly problems: readonly string[] }

async function readManifest(folder: string): Promise<Read<Manifest>> {
  const file = join(folder, 'manifest.json')
  let json: unknown
  try {
    json = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    return { problems: [`${file}: not readable as JSON: ${error instanceof Error ? error.message : String(error)}`] }
  }
  const judged = judge(Manifest, json)
  if (judged.kind === 'wrong') return { problems: judged.objections.map(({ path, message }) => `${file}: ${fieldName(path)}: ${message}`) }
  if (judged.value.id !== basename(folder)) {
    return { problems: [`${file}: id: "${judged.value.id}" is not the name of its folder, "${basename(folder)}"`] }
  }
  return { value: judged.value }
}

const fieldName = (path: readonly PropertyKey[]): string => (path.length === 0 ? '(whole file)' : path.map(String).join('.'))

/** A folder that names a shape is data alone; the day it needs code, it has an adapter and names none. */
function shapedAdapter(folder: string, manifest: Manifest, shape: Shape): Read<Adapter> {
  const file = join(folder, `adapter.${CODE_ENDING}`)
  if (existsSync(file)) return { problems: [`${file}: stands beside a manifest that names a shape; remove one of them`] }
  return { value: adapterOfShape(manifest, shape) }
}

async function readAdapter(folder: string): Promise<Read<Adapter>> {
  const file = join(folder, `adapter.${CODE_ENDING}`)
  if (!existsSync(file))
    return {
      problems: [`${file}: does not exist; a provider needs an adapter that exports \`adapter\`, or a manifest that names a \`shape\``],
    }
  let loaded: { readonly adapter?: Partial<Adapter> }
  try {
    loaded = await import(pathToFileURL(file).href)
  } catch (error) {
    return { problems: [`${file}: cannot be imported: ${error instanceof Error ? error.message : String(error)}`] }
  }
  const { adapter } = loaded
  if (typeof adapter !== 'object' || adapter === null) return { problems: [`${file}: adapter: must be exported by this name`] }
  const missing = [
    ...(typeof adapter.options?.safeParse === 'function' ? [] : ['options']),
    ...(typeof adapter.translate === 'function' ? [] : ['translate']),
    ...(typeof adapter.interpret === 'function' ? [] : ['interpret']),
  ]
  if (missing.length > 0) return { problems: missing.map((name) => `${file}: adapter.${name}: is missing`) }
  return { value: adapter as Adapter }
}
