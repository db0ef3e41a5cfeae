import { parentPort } from 'node:worker_threads'
import scalar from '@scalar/fastify-api-reference'
import fastify from 'fastify'

/**
 * The program of a thread: posts the script of the reference. Its package holds 4 MB of text and a parser of OpenAPI documents; loading it took
 * a fifth of a start, and would stop the loop for a quarter of a second if it were loaded later.
 */
const app = fastify()
await app.register(scalar, { routePrefix: '/docs', configuration: { url: '/openapi.json' } })
const script = Uint8Array.from((await app.inject('/docs/js/scalar.js')).rawPayload)
parentPort?.postMessage(script, [script.buffer])
