import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyReply } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { OutputFormat, Problem } from '#contract'
import type { Assets, Store } from '../../core/ports.ts'
import { HttpProblem } from '../http-problem.ts'

export interface BackupDependencies {
  readonly store: Pick<Store, 'copyTo'>
  readonly assets: Pick<Assets, 'open'>
  /** Where a copy of the database lies while it is sent. */
  readonly backupDirectory: string
}

/** What `imagegate backup` fetches: the database as it is now, and the image files it refers to, by their hash. */
export const backupRoutes: FastifyPluginAsyncZod<BackupDependencies> = async (app, { store, assets, backupDirectory }) => {
  let isCopying = false

  const database = {
    operationId: 'backupDatabase',
    summary: 'The database as it is now',
    description:
      'One SQLite file, whole, while work goes on; what is committed after the copying began is in it too. For administrators: it holds every ' +
      'key’s generations and the gateway’s own secrets. One at a time.',
    tags: ['operations'],
    response: { 200: { description: 'The file.', content: { 'application/vnd.sqlite3': { schema: z.file() } } }, 409: Problem },
  }
  app.get('/v1/backup/database', { schema: database, config: { access: 'admin' } }, async (request, typedReply) => {
    const reply: FastifyReply = typedReply
    if (isCopying)
      throw new HttpProblem({ code: 'invalid_request', status: 409, detail: 'A backup is under way; try again when it has ended.' })
    isCopying = true
    const path = join(backupDirectory, `backup-${randomUUID()}.tmp`)
    const done = (): void => {
      isCopying = false
      void rm(path, { force: true }).catch(() => request.log.error({ path }, 'the copy of a backup could not be removed; remove it'))
    }
    try {
      await store.copyTo(path)
      const { size } = await stat(path)
      const file = createReadStream(path)
      file.once('close', done)
      request.log.info({ bytes: size }, 'the database was copied for a backup')
      return reply
        .header('content-type', 'application/vnd.sqlite3')
        .header('content-length', size)
        .header('cache-control', 'no-store')
        .send(file)
    } catch (error) {
      done()
      throw error
    }
  })

  const image = {
    operationId: 'backupImage',
    summary: 'An image file by its hash, for a backup',
    tags: ['operations'],
    params: z.object({
      sha256: z.string().regex(/^[0-9a-f]{64}$/, 'the SHA-256 of the file, as 64 lower-case hex digits'),
      format: OutputFormat,
    }),
    response: { 200: { description: 'The bytes.', content: { 'application/octet-stream': { schema: z.file() } } }, 404: Problem },
  }
  app.get('/v1/backup/images/:sha256/:format', { schema: image, config: { access: 'admin' } }, async (request, typedReply) => {
    const reply: FastifyReply = typedReply
    const stream = await assets.open(request.params.sha256, request.params.format)
    if (!stream) throw new HttpProblem({ code: 'not_found', detail: 'There is no such image file.' })
    return reply.header('content-type', 'application/octet-stream').header('cache-control', 'no-store').send(stream)
  })
}
