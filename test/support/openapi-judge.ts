import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv/dist/2020.js'
import { fullFormats } from 'ajv-formats/dist/formats.js'

/** A schema of the document, as far as tests read it. */
export interface JsonSchema {
  readonly [keyword: string]: unknown
}
export interface Media {
  readonly schema?: JsonSchema
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>
}
export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly schema?: JsonSchema
  readonly example?: string | number
}
export interface Operation {
  readonly operationId: string
  readonly security?: readonly object[]
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> }
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Readonly<Record<string, Media>> }>>
}
export interface OpenapiDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: {
    readonly schemas: Readonly<Record<string, JsonSchema>>
    readonly securitySchemes: Readonly<Record<string, object>>
  }
}

/** An operation of the document with its verb, in capitals, and its path. */
export interface Named {
  readonly method: string
  readonly path: string
  readonly operation: Operation
}
export interface Answer {
  readonly status: number
  /** With its parameters; empty where there is none. */
  readonly type: string
  readonly body: Buffer
}

export const operationsOf = ({ paths }: OpenapiDocument): readonly Named[] =>
  Object.entries(paths).flatMap(([path, verbs]) =>
    Object.entries(verbs).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )

const escaped = (part: string): string => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))

export interface Judge {
  /** Why an answer is not as the document says: its status, its media type or its body. Null where it is. */
  contradiction(named: Named, answer: Answer): string | null
  /** Why a value does not fit a schema of the document; null where it does. */
  misfit(schema: string, value: unknown): string | null
}

/** Judges answers by the schemas of an OpenAPI 3.1 document, whose dialect is JSON Schema 2020-12. */
export function judgeOf(document: OpenapiDocument): Judge {
  const ajv = new Ajv2020({ strict: false, allErrors: false, formats: fullFormats })
  ajv.addSchema(document, 'openapi')

  function fault(pointer: string, value: unknown): string | null {
    const validate = ajv.getSchema(`openapi#/${pointer}`) as ValidateFunction | undefined
    if (validate === undefined) return `the document has nothing at ${pointer}`
    return validate(value) ? null : ajv.errorsText(validate.errors, { dataVar: 'body' })
  }

  return {
    misfit: (schema, value) => fault(`components/schemas/${schema}`, value),
    contradiction({ method, path, operation }, { status, type, body }) {
      const declared = operation.responses[String(status)]
      if (declared === undefined) return `status ${status} is not declared`
      const media = type.split(';', 1)[0] ?? ''
      if (declared.content === undefined) return body.length === 0 ? null : `${status} declares no body and has one of type ${media}`
      if (declared.content[media]?.schema === undefined)
        return `${status} is "${media}", and declared are ${Object.keys(declared.content).join(', ')}`
      if (!/\bjson$/.test(media)) return null
      const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', media, 'schema']
      const misfit = fault(pointer.map(escaped).join('/'), JSON.parse(body.toString()))
      return misfit === null ? null : `${status} ${media} does not fit its schema: ${misfit}`
    },
  }
}
