import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, expect, test } from 'vitest'
import { StartRefused } from '../../src/gateway/start.ts'
import { toProblem } from '../../src/http/to-problem.ts'
import { launchGateway } from './gateway.ts'

const cleanUp: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const one of cleanUp.splice(0).toReversed()) await one()
})

test('a row of the database that cannot be read is named at a start, and no fault of a request', async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-damaged-'))
  cleanUp.push(async () => rmSync(dataDirectory, { recursive: true, force: true }))
  const gateway = await launchGateway({ dataDirectory })
  const { id } = await gateway.generate({}, { prefer: 'wait=60' })
  await gateway.close()
  const path = readdirSync(dataDirectory, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('imagegate.db')) ?? ''
  const database = new DatabaseSync(join(dataDirectory, path))
  database.prepare('UPDATE generations SET state = ? WHERE id = ?').run('{"status":', id)
  database.close()

  const refused: unknown = await launchGateway({ dataDirectory }).catch((error: unknown) => error)

  expect(refused).toBeInstanceOf(StartRefused)
  expect(String(refused)).toContain(`the row of ${id} in the database is damaged`)
  expect(toProblem((refused as Error).cause)).toMatchObject({ code: 'store_unavailable' })
  expect(toProblem(new SyntaxError('Unexpected end of JSON input'))).toMatchObject({ code: 'internal' })
})
