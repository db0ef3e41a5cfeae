import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { docsPage } from './docs-page.ts'
import { jsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { Examples } from './openapi/examples.ts'
import { operationOf } from './openapi/operations.ts'
import { tidied } from './openapi/tidy.ts'

const SANDBOX_NOTE =
  '\n\n**This server is a sandbox** (`"sandbox": true` in every result): no vendor key is set, every vendor is emulated on this machine, and no money is spent.'

export interface DocsDependencies {
  readonly version: string
  readonly sandbox: boolean
  readonly examples: Examples
  /** How compatible APIs take the gateway key, where theirs is not the bearer token. */
  readonly securitySchemes: Readonly<Record<string, { type: 'apiKey'; name: string; in: string; description: string }>>
}

/** `/openapi.json`, generated from the same schemas that validate, and `/docs`, a page to read and try it. */
export async function installDocs(app: FastifyInstance, { version, sandbox, examples, securitySchemes }: DocsDependencies): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.1',
      info: {
        title: 'imagegate',
        version,
        description: `One image-generation API in front of many vendors: one request, every provider, exact prices, nothing lost, nothing bought twice.${sandbox ? SANDBOX_NOTE : ''}`,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This server.' }],
      components: {
        securitySchemes: {
          gatewayKey: {
            type: 'http',
            scheme: 'bearer',
            description: 'A gateway key. A server without keys, which serves its own machine alone, takes every request.',
          },
          ...securitySchemes,
        },
      },
      security: [{ gatewayKey: [] }],
      tags: [
        { name: 'generations', description: 'One request on its way, and its result.' },
        { name: 'images', description: 'Delivered images.' },
        { name: 'money', description: 'What it would cost and did cost.' },
        { name: 'webhooks', description: 'Webhook deliveries, and redelivery.' },
        { name: 'catalogue', description: 'Models, offers, providers.' },
        {
          name: 'compatible APIs',
          description: 'Existing clients, unmodified: the APIs they speak, with the same routing, ledger and limits.',
        },
        { name: 'keys', description: 'Who may use this gateway, made and taken back while it runs.' },
        { name: 'operations', description: 'Health, metrics.' },
      ],
    },
    transform: operationOf,
    transformObject: (document) =>
      tidied(jsonSchemaTransformObject(document) as Parameters<typeof tidied>[0], examples) as ReturnType<typeof jsonSchemaTransformObject>,
  })
  let written: Buffer | null = null
  app.get('/openapi.json', { schema: { hide: true }, config: { access: 'open' } }, async (_request, reply) => {
    written ??= Buffer.from(JSON.stringify(app.swagger()))
    return reply.type('application/json; charset=utf-8').send(written)
  })
  await docsPage(app)
}
