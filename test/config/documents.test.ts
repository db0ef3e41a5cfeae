import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { printConfigJsonSchema } from '../../src/config/json-schema.ts'
import { loadConfig } from '../../src/config/load.ts'
import { formatProblem } from '../../src/config/problem.ts'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { temporaryFolder, writeFiles } from '../catalogue/fake-providers.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const EXAMPLE = readFileSync(join(ROOT, 'imagegate.example.yaml'), 'utf8')

interface SchemaNode {
  readonly description?: string
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly items?: SchemaNode
  readonly additionalProperties?: SchemaNode | boolean
  readonly anyOf?: readonly SchemaNode[]
  readonly $ref?: string
}

function* keysOf(node: SchemaNode): Generator<readonly [string, SchemaNode]> {
  for (const [name, value] of Object.entries(node.properties ?? {})) {
    yield [name, value]
    yield* keysOf(value)
  }
  if (typeof node.additionalProperties === 'object') yield* keysOf(node.additionalProperties)
  if (node.items) yield* keysOf(node.items)
  for (const choice of node.anyOf ?? []) yield* keysOf(choice)
}

const schema = JSON.parse(printConfigJsonSchema()) as SchemaNode

async function problemsOf(yaml: string, env: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  const folder = await temporaryFolder()
  await writeFiles(folder, { 'imagegate.yaml': yaml })
  const result = await loadConfig({ env, path: join(folder, 'imagegate.yaml'), catalogue: await loadCatalogue() })
  return (result.kind === 'config' ? result.warnings : result.problems).map(formatProblem)
}

describe('imagegate.schema.json', () => {
  test('is what `imagegate schema` prints', () => {
    expect(readFileSync(join(ROOT, 'imagegate.schema.json'), 'utf8')).toBe(printConfigJsonSchema())
  })

  test('describes the keys an operator sets', () => {
    const undescribed = [...keysOf(schema)].filter(([name, node]) => !node.description && !node.$ref && name in (schema.properties ?? {}))
    expect(undescribed.map(([name]) => name)).toEqual([])
  })
})

describe('imagegate.example.yaml', () => {
  test('is accepted as it stands, without any variable set and without a warning', async () => {
    expect(await problemsOf(EXAMPLE)).toEqual([])
  })

  test('is still accepted with every commented key switched on', async () => {
    const all = EXAMPLE.replace(/^( *)# (?!yaml-language-server)(?=( *)(- )?[a-z_0-9-]+:( |$))/gm, '$1')
      .replace(/^ *(aspect_ratio|megapixels):.*$/gm, '')
      .replace(/discount_percent: 0/, 'discount_percent: 5')
    expect(all).toContain('\nkeys:')
    const secret = `whsec_${'A'.repeat(43)}=`
    expect(await problemsOf(all, { BFL_API_KEY: 'any-key-ends-the-sandbox', WEBHOOK_SECRET: secret, OLD_WEBHOOK_SECRET: secret })).toEqual(
      [],
    )
  })

  test('shows every key there is', () => {
    const missing = [...keysOf(schema)].map(([name]) => name).filter((name) => !new RegExp(`\\b${name}:`).test(EXAMPLE))
    expect([...new Set(missing)]).toEqual([])
  })
})
