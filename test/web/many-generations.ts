import { launchGateway } from '../e2e/gateway.ts'
import { openDatabase } from '../../src/store/sqlite/open.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A gateway whose store holds so many generations: copies of one that was made, each with its own prompt, number 1 the oldest. */
export async function gatewayWithMany(count: number) {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-many-'))
  const first = await launchGateway({ dataDirectory, typicalMs: 1 })
  const { id } = await first.generate({ width: 256, height: 256, provider: { only: ['runware'] } }, { prefer: 'wait=10' })
  await first.close()
  copy(join(dataDirectory, 'sandbox'), id, count)
  const gateway = await launchGateway({ dataDirectory, typicalMs: 1 })
  return {
    ...gateway,
    async close() {
      await gateway.close()
      rmSync(dataDirectory, { recursive: true, force: true })
    },
  }
}

function copy(directory: string, id: string, count: number): void {
  const database = openDatabase(directory)
  database.exec(`
    CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count}) SELECT i FROM n;
    INSERT INTO generations (id, created_at, status, open, model, provider, key, state)
      SELECT printf('gen_%06d', i), created_at - ${count} + i - 1, status, open, model, provider, key, state
        FROM n, (SELECT * FROM generations WHERE id = '${id}');
    INSERT INTO generation_plans (number, plan)
      SELECT g.number, json_set(p.plan, '$.id', g.id, '$.createdAt', g.created_at, '$.request.prompt', 'number ' || CAST(substr(g.id, 5) AS INTEGER))
        FROM generations AS g, (SELECT plan FROM generation_plans) AS p WHERE g.id <> '${id}';
    DELETE FROM generations WHERE id = '${id}';
  `)
  database.close()
}
