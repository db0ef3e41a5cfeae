import { Command } from 'commander'
import { printConfigJsonSchema } from '../config/json-schema.ts'
import type { Verb } from './verb.ts'

export const schemaVerb: Verb = (terminal, finish) =>
  new Command('schema')
    .description('print the JSON schema of the configuration file (imagegate.schema.json)')
    .option('--json', 'it is JSON already')
    .action(() => {
      terminal.out(printConfigJsonSchema().trimEnd())
      return finish(Promise.resolve(0))
    })
