import { expect, test } from 'vitest'
import { StoreError } from '../../../../src/core/ports.ts'
import { createPerform } from '../../../../src/http/compatible/runware/perform.ts'
import type { Asker, PerformDependencies } from '../../../../src/http/compatible/runware/perform.ts'

/** Whoever gets an error sends the task again, perhaps under another id, and both are bought. */
test('a task that was accepted is acknowledged and nothing else, also where the database goes away right behind it', async () => {
  const away = () => Promise.reject(new StoreError('unreachable', 'the database is away'))
  const model = { id: 'flux-2-pro', alias_of: null, offers: [] }
  const deps = {
    intake: { read: (body: unknown) => body, begin: () => Promise.resolve({ id: 'gen_1', replayed: false }), wait: away },
    store: { generation: away, idempotency: away },
    models: { list: () => [model] },
    limits: { takeTask: () => ({ kind: 'taken', release: () => {} }) },
    log: { error: () => {} },
  } as unknown as PerformDependencies
  const sent: unknown[] = []
  const caller = { key: null, scope: 'admin', models: null, providers: null }
  const asker = { caller, send: (part: unknown) => void sent.push(part) } as unknown as Asker
  const taskUUID = '57dfe0a1-910d-4be7-ba1a-bdc5c876e655'
  const size = { width: 1024, height: 1024 }
  const task = { taskType: 'imageInference', taskUUID, model: 'flux-2-pro', positivePrompt: 'a hill', ...size, deliveryMethod: 'async' }
  await createPerform(deps)(task, asker)
  expect(sent).toEqual([{ data: [{ taskType: 'imageInference', taskUUID }], errors: [] }])
})
