import type { CallToolResult, StandardSchemaWithJSON, ToolAnnotations } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { judge } from '#contract'
import type { Caller, Scope } from '../../access.ts'
import { invalidRequest } from '../../invalid-request.ts'

/** What a tool answers with: a short text for the model, and the same facts as data. Links only, never the bytes of an image. */
export interface Answer<Facts> {
  readonly text: string
  readonly facts: Facts
  /** The generation that the facts describe failed. */
  readonly isError?: boolean
}

export interface ToolDefinition<Arguments extends z.ZodType, Facts extends z.ZodType> {
  readonly name: string
  readonly title: string
  /** For the model that chooses between tools. */
  readonly description: string
  /** Strict; every field described. */
  readonly arguments: Arguments
  /** The arguments that are listed where the description names the others; absent: all. */
  readonly listed?: readonly string[]
  readonly facts: Facts
  readonly annotations: ToolAnnotations
  run(given: z.output<Arguments>, caller: Caller): Promise<Answer<z.input<Facts>>>
}

/** A tool as it is listed and called, whatever it takes and returns. */
export interface Tool {
  readonly name: string
  /** What it asks of the key: those that only read ask less. */
  readonly scope: Scope
  readonly config: {
    readonly title: string
    readonly description: string
    readonly inputSchema: StandardSchemaWithJSON<unknown, unknown>
    readonly annotations: ToolAnnotations
  }
  /** @throws what the intake throws; Refusal where an argument is wrong, with its name */
  call(given: unknown, caller: Caller): Promise<CallToolResult>
}

export function defineTool<Arguments extends z.ZodType, Facts extends z.ZodType>(definition: ToolDefinition<Arguments, Facts>): Tool {
  const { name, title, description, annotations } = definition
  return {
    name,
    scope: annotations.readOnlyHint === true ? 'read' : 'write',
    config: {
      title,
      description,
      annotations,
      inputSchema: listed(definition.arguments, definition.listed),
    },
    async call(given, caller) {
      const judged = judge(definition.arguments, given ?? {})
      if (judged.kind === 'wrong') throw invalidRequest(judged.objections)
      const { text, facts, isError } = await definition.run(judged.value, caller)
      const structuredContent = definition.facts.parse(facts) as Record<string, unknown>
      return { content: [{ type: 'text', text }], structuredContent, ...(isError === true ? { isError } : {}) }
    },
  }
}

/**
 * A schema that is shown and does not judge: arguments are judged by `call`, whose refusals carry our code and remedy. Agents read it with every
 * request they make, so it is short: bounds stand in the descriptions or come with a refusal, and what a tool answers with has no schema of
 * its own. The JSON is made once, because a server is made for each request. Definitions stand where they are used and no dialect is named:
 * some clients follow no `$ref` and some know one dialect only.
 */
function listed(schema: z.ZodType, names: readonly string[] | undefined): StandardSchemaWithJSON<unknown, unknown> {
  let shown: Readonly<Record<string, unknown>> | null = null
  const show = () => (shown ??= shownSchema(schema, names))
  return { '~standard': { version: 1, vendor: 'imagegate', validate: (value) => ({ value }), jsonSchema: { input: show, output: show } } }
}

function shownSchema(schema: z.ZodType, names: readonly string[] | undefined): Readonly<Record<string, unknown>> {
  const json = compact(z.toJSONSchema(schema, { io: 'input', metadata: new WithoutIds() })) as ObjectSchema
  const properties = Object.fromEntries(Object.entries(json.properties).filter(([name]) => names?.includes(name) ?? true))
  const required = json.required?.filter((name) => name in properties) ?? []
  return { type: 'object', properties, ...(required.length > 0 ? { required } : {}) }
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, unknown>>
  readonly required?: readonly string[]
}

const LEFT_OUT = new Set([
  '$schema',
  'additionalProperties',
  'pattern',
  'format',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'multipleOf',
  'default',
  'propertyNames',
  'examples',
])

/** Without what only a validator needs. */
function compact(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(compact)
  if (typeof schema !== 'object' || schema === null) return schema
  const kept = Object.entries(schema).filter(([name]) => !LEFT_OUT.has(name))
  return Object.fromEntries(kept.map(([name, value]) => [name, name === 'properties' ? propertiesOf(value as object) : compact(value)]))
}

/** The names of properties are not words of the schema. */
const propertiesOf = (properties: object): object =>
  Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, compact(schema)]))

/** Without an id, a schema is written where it is used instead of among the definitions. */
class WithoutIds extends z.core.$ZodRegistry<Record<string, unknown>> {
  override get(schema: z.core.$ZodType): Record<string, unknown> {
    const { id: _, ...meta } = z.globalRegistry.get(schema) ?? {}
    return meta
  }
}
