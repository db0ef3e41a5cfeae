import { z } from 'zod'
import { ConfigFile } from './schema.ts'

/** Where a number or a boolean is wanted, a variable may stand: it is text until it is read. */
const VARIABLE = { type: 'string', pattern: String.raw`^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$` } as const

/** The JSON schema of the configuration file, for editors. `imagegate.schema.json` is this, printed. */
export function configJsonSchema(): object {
  const schema = z.toJSONSchema(ConfigFile, {
    io: 'input',
    override: ({ jsonSchema }) => {
      const { type, description, ...rest } = jsonSchema
      if (type !== 'integer' && type !== 'number' && type !== 'boolean') return
      for (const name of Object.keys(jsonSchema)) delete jsonSchema[name as keyof typeof jsonSchema]
      Object.assign(jsonSchema, { ...(description ? { description } : {}), anyOf: [{ type, ...rest }, VARIABLE] })
    },
  })
  return { title: 'imagegate configuration', ...schema }
}

export const printConfigJsonSchema = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`
