import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { gatewayOfTwoKeys } from '../support/two-keys-on-postgres.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

/** The minute ends as soon as more is counted than it may have: whatever is counted next is of the next one. */
const ENDS_THEN = `
  CREATE FUNCTION ends_then() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.points > 10 THEN NEW.expire := extract(epoch FROM clock_timestamp()) * 1000; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER ends_then BEFORE UPDATE ON imagegate.rates FOR EACH ROW EXECUTE FUNCTION ends_then()`

/** What was refused had been counted in the minute that ended, and given back in the one that began: each gave its key as many requests more. */
test.skipIf(POSTGRES_PROGRAMS === null)(
  'requests for more images than a minute may have, sent as it ends, give their key nothing in the next one',
  { timeout: 60_000 },
  async () => {
    const { url, database } = await gatewayOfTwoKeys(', rate: { per_minute: 10 }')
    const ask = async (): Promise<number> => {
      const headers = { authorization: 'Bearer many', 'content-type': 'application/json' }
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, n: 20 })
      const reply = await fetch(`${url}/v1/generations`, { method: 'POST', headers, body })
      await reply.arrayBuffer()
      return reply.status
    }
    const client = new pg.Client({ connectionString: database })
    await client.connect()
    onTestFinished(() => client.end())
    await ask()
    await client.query(ENDS_THEN)
    for (let round = 0; round < 5; round++) {
      expect(await ask()).toBe(429)
      const { rows } = await client.query<{ points: number | string }>('SELECT points FROM imagegate.rates')
      expect(rows.map(({ points }) => Number(points)).filter((points) => points < 0)).toEqual([])
    }
  },
)
