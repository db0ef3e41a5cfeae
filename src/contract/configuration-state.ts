import { z } from 'zod'

/** Which configuration is in force, and what became of the last change of it. */
export const ConfigurationState = z
  .object({
    file: z.string().nullable().meta({ description: 'The file it was read from; null where there is none.' }),
    in_force_since: z.iso.datetime(),
    changes: z.array(z.string()).meta({ description: 'What the last reload changed, a line each; empty before the first.' }),
    waits_for_restart: z.array(z.string()).meta({ description: 'Keys of the file that were changed and act only after a restart.' }),
    refused: z
      .object({
        at: z.iso.datetime(),
        problems: z.array(z.string()).meta({ description: 'Each with file, line, field and remedy.' }),
      })
      .nullable()
      .meta({ description: 'The last reload, where it was refused: the configuration from before it stays in force.' }),
  })
  .meta({
    id: 'ConfigurationState',
    description: 'Only scope `admin` is shown the file, what was changed and why a reload was refused.',
  })
export type ConfigurationState = z.infer<typeof ConfigurationState>

/** A gateway that shares its database with others. */
export const GatewayNode = z
  .object({
    id: z.string(),
    this: z.boolean().meta({ description: 'Whether it is the one that answers.' }),
    revision: z.string().meta({
      description:
        'Names the configuration it runs: gateways whose revision is the same run the same, wherever each listens and keeps its files.',
    }),
    started_at: z.iso.datetime(),
    seen_at: z.iso.datetime(),
  })
  .meta({ id: 'GatewayNode' })
export type GatewayNode = z.infer<typeof GatewayNode>
