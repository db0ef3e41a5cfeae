import { readFileSync } from 'node:fs'
import { openDatabase } from '../../../src/store/sqlite/open.ts'
import { sqliteStore } from '../../../src/store/sqlite/store.ts'

/** Gives the generations of one key, 80 MB of them, to another name, and prints how many those are and what memory that took at most, in MB. */
const GENERATIONS = 20_000
const database = openDatabase(process.argv[2] ?? '')
const numbers = `WITH RECURSIVE n(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n LIMIT ${GENERATIONS})`
database.exec(`BEGIN;
  INSERT INTO generations (id, created_at, status, open, model, key, state)
    ${numbers} SELECT 'gen_' || n, n, 'succeeded', 0, 'm', iif(n % 10 = 0, 'other', 'one'), '{}' FROM n;
  INSERT INTO generation_plans (number, plan)
    ${numbers} SELECT n, json_object('id', 'gen_' || n, 'key', iif(n % 10 = 0, 'other', 'one'), 'text', printf('%.4000c', 'x')) FROM n;
  COMMIT`)
const store = sqliteStore(database)
await store.nameKeys([{ keyHash: 'h', name: 'one' }])
const megabytes = (): number => Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1_024
const before = megabytes()
await store.nameKeys([{ keyHash: 'h', name: 'two' }])
const took = megabytes() - before
const count = (table: string, key: string): unknown =>
  database.prepare(`SELECT count(*) AS n FROM ${table} WHERE ${key} = 'two'`).get()?.['n']
console.log(JSON.stringify({ generations: count('generations', 'key'), plans: count('generation_plans', `plan ->> '$.key'`), took }))
await store.close()
