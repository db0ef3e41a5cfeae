import type { DatabaseSync } from 'node:sqlite'
import { StoreError } from '../../core/ports.ts'
import { failureOf } from './failure-of.ts'
import { COST_DAYS } from './cost-days-schema.ts'

/**
 * The schema, as numbered steps: number n brings `user_version` from n - 1 to n. Steps are only ever appended; one that has been
 * released stays as it is, word for word.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE generations (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    status     TEXT NOT NULL,
    open       INTEGER NOT NULL,
    model      TEXT NOT NULL,
    provider   TEXT,
    key        TEXT,
    state      TEXT NOT NULL
  ) STRICT;
  -- The half of a record that never changes after its first save, so that a change of state does not write it again.
  CREATE TABLE generation_plans (
    number INTEGER PRIMARY KEY REFERENCES generations (number) ON DELETE CASCADE,
    plan   TEXT NOT NULL
  ) STRICT;
  -- Covers every filter of a list but metadata, so a page reads only the rows it shows.
  CREATE INDEX generations_newest ON generations (created_at, id, status, model, provider, key);
  CREATE INDEX generations_open ON generations (created_at, id) WHERE open = 1;

  CREATE TABLE generation_metadata (
    key           TEXT NOT NULL,
    value         TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    generation_id TEXT NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    PRIMARY KEY (key, value, created_at, generation_id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX generation_metadata_owner ON generation_metadata (generation_id);

  CREATE TABLE images (
    id              TEXT PRIMARY KEY,
    generation_id   TEXT NOT NULL,
    sha256          TEXT,
    format          TEXT,
    width           INTEGER,
    height          INTEGER,
    bytes           INTEGER,
    seed            TEXT,
    flagged         INTEGER,
    link_url        TEXT,
    link_expires_at INTEGER
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE idempotency (
    scope         TEXT NOT NULL,
    key           TEXT NOT NULL,
    body_hash     TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX idempotency_age ON idempotency (created_at);
  `,
  `
  -- What became of a comparison is in its generations; \`unbegun\` is 1 while not all of them have been begun.
  CREATE TABLE comparisons (
    id         TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    key        TEXT,
    unbegun    INTEGER NOT NULL,
    body       TEXT NOT NULL
  ) STRICT;
  CREATE INDEX comparisons_newest ON comparisons (created_at, id);
  CREATE INDEX comparisons_of_key ON comparisons (key, created_at, id);
  CREATE INDEX comparisons_unbegun ON comparisons (created_at, id) WHERE unbegun = 1;
  `,
  `
  -- The account: lines are only appended. Amounts are nanodollars (1e-9 USD).
  CREATE TABLE ledger (
    seq           INTEGER PRIMARY KEY,
    at            INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    attempt_id    TEXT,
    key           TEXT,
    provider      TEXT NOT NULL,
    model         TEXT NOT NULL,
    amount        INTEGER,
    period        TEXT,
    quoted        INTEGER,
    images        INTEGER,
    task          TEXT
  ) STRICT;
  CREATE UNIQUE INDEX ledger_settled_once ON ledger (attempt_id) WHERE kind IN ('billed', 'computed', 'unknown');
  CREATE UNIQUE INDEX ledger_released_once ON ledger (generation_id) WHERE kind = 'released';
  CREATE INDEX ledger_costs ON ledger (at) WHERE kind IN ('billed', 'computed', 'unknown', 'adjusted');
  CREATE INDEX ledger_observed ON ledger (provider, model) WHERE kind = 'billed' AND quoted IS NULL;

  -- What counts against a key's budget in a period: what its lines reserve less what they release.
  CREATE TABLE budgets (
    key    TEXT NOT NULL,
    period TEXT NOT NULL,
    used   INTEGER NOT NULL,
    PRIMARY KEY (key, period)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE webhook_deliveries (
    id            TEXT PRIMARY KEY,
    created_at    INTEGER NOT NULL,
    generation_id TEXT NOT NULL,
    key           TEXT,
    status        TEXT NOT NULL,
    origin        TEXT NOT NULL,
    next_try_at   INTEGER,
    record        TEXT NOT NULL
  ) STRICT;
  CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (created_at, id, status, key);
  CREATE INDEX webhook_deliveries_of_generation ON webhook_deliveries (generation_id);
  CREATE INDEX webhook_deliveries_planned ON webhook_deliveries (next_try_at, id, origin) WHERE next_try_at IS NOT NULL;
  `,
  `
  -- An unknown cost is settled from an invoice once.
  CREATE UNIQUE INDEX ledger_adjusted_once ON ledger (attempt_id) WHERE kind = 'adjusted';
  `,
  `
  -- Gateway keys made at run time; a record holds hashes, never a secret.
  CREATE TABLE gateway_keys (
    name   TEXT PRIMARY KEY,
    record TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  -- What the gateway makes for itself: the pepper of key hashes, the keys that sign links, webhooks and callback addresses.
  CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- The name each key of the configuration had, so that what it owns follows it to another.
  CREATE TABLE configured_keys (
    key_hash TEXT PRIMARY KEY,
    name     TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Generations of comparisons begun before they named theirs.
  UPDATE generation_plans SET plan = json_set(plan, '$.comparison', begun.comparison)
  FROM (
    SELECT g.number AS number, c.id AS comparison FROM comparisons AS c, json_each(c.body, '$.entries') AS entry
    JOIN generations AS g ON g.id = entry.value ->> 'generationId'
  ) AS begun
  WHERE generation_plans.number = begun.number;

  -- Prompts by every three characters of them; the text itself is in the plans. Fed in batches, behind the newest generations.
  CREATE VIRTUAL TABLE prompt_search USING fts5 (prompt, content = '', tokenize = 'trigram');

  -- How each provider did in each hour (hours since 1970), and how often a task took so long (steps of 2 percent).
  CREATE TABLE provider_hours (
    provider  TEXT NOT NULL,
    hour      INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    PRIMARY KEY (provider, hour)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE provider_hour_durations (
    provider TEXT NOT NULL,
    hour     INTEGER NOT NULL,
    step     INTEGER NOT NULL,
    tasks    INTEGER NOT NULL,
    PRIMARY KEY (provider, hour, step)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- What was said to a vendor in an attempt, without secrets; written when it ends.
  CREATE TABLE attempt_calls (
    generation INTEGER NOT NULL REFERENCES generations (number) ON DELETE CASCADE,
    attempt    INTEGER NOT NULL,
    calls      TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX attempt_calls_of ON attempt_calls (generation, attempt);
  -- Finds the generations of unknown cost; such lines are few.
  CREATE INDEX ledger_unknown ON ledger (generation_id) WHERE kind = 'unknown';
  `,
  `
  -- The last line of the ledger whose task is counted in the hours of its provider: one row.
  CREATE TABLE provider_hours_counted (line INTEGER NOT NULL) STRICT;
  INSERT INTO provider_hours_counted SELECT coalesce(max(seq), 0) FROM ledger;
  `,
  `
  -- Those that did not succeed are few, and lists ask for them alone.
  CREATE INDEX generations_failed ON generations (created_at, id, status, model, provider, key) WHERE status IN ('failed', 'canceled');
  `,
  `
  -- Which models, providers and keys the generations of each day (UTC, since 1970) have, or have had; '' is none. A list of what is rare, or of
  -- names that never come together, passes over no other day.
  CREATE TABLE generation_days (
    day      INTEGER NOT NULL,
    model    TEXT NOT NULL,
    provider TEXT NOT NULL,
    key      TEXT NOT NULL,
    PRIMARY KEY (day, model, provider, key)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO generation_days
    SELECT DISTINCT created_at / 86400000, model, coalesce(provider, ''), coalesce(key, '') FROM generations;
  CREATE TRIGGER generation_named AFTER INSERT ON generations BEGIN
    INSERT INTO generation_days VALUES (NEW.created_at / 86400000, NEW.model, coalesce(NEW.provider, ''), coalesce(NEW.key, ''))
      ON CONFLICT DO NOTHING;
  END;
  CREATE TRIGGER generation_named_anew AFTER UPDATE OF provider, key ON generations
  WHEN NEW.provider IS NOT OLD.provider OR NEW.key IS NOT OLD.key BEGIN
    INSERT INTO generation_days VALUES (NEW.created_at / 86400000, NEW.model, coalesce(NEW.provider, ''), coalesce(NEW.key, ''))
      ON CONFLICT DO NOTHING;
  END;
  `,
  COST_DAYS,
  `
  -- Offers that cannot be used, of which many plans say the same: there, each is its number among the considered ones.
  CREATE TABLE considered_offers (number INTEGER PRIMARY KEY, offer TEXT NOT NULL) STRICT;
  `,
  `
  -- For a list of three or more SQLite makes a table for each line it writes; words are compared.
  DROP INDEX ledger_settled_once;
  CREATE UNIQUE INDEX ledger_settled_once ON ledger (attempt_id) WHERE kind = 'billed' OR kind = 'computed' OR kind = 'unknown';
  DROP INDEX ledger_costs;
  CREATE INDEX ledger_costs ON ledger (at) WHERE kind = 'billed' OR kind = 'computed' OR kind = 'unknown' OR kind = 'adjusted';
  -- The store knows which days are added up, and asks for no other.
  DROP TRIGGER ledger_line_late;
  `,
]

/**
 * Runs the steps the database has not had, each in its own transaction, so a crash between two leaves a state the next start continues.
 * @returns how many
 * @throws StoreError `newer_schema` where the database has had more steps than there are
 */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): number {
  const version = schemaVersion(database)
  if (version > migrations.length) {
    const message = `the database has schema ${version} and this version of imagegate knows ${migrations.length}; run the newer version, or restore a backup made before the upgrade`
    throw new StoreError('newer_schema', message)
  }
  for (const [index, step] of migrations.entries()) {
    if (index < version) continue
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(step)
      database.exec(`PRAGMA user_version = ${index + 1}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw failureOf(error)?.reason === 'full' && version > 0 ? upgradeStopped(error, index, migrations.length) : error
    }
  }
  return migrations.length - version
}

/** The steps before are kept: a version that knows fewer refuses the database from then on. */
function upgradeStopped(cause: unknown, steps: number, all: number): StoreError {
  const message = `the disk that holds the database is full; its upgrade stands at step ${steps} of ${all}, and nothing is lost; free some space and start this version again, which goes on from there`
  return new StoreError('full', message, { cause })
}

export const schemaVersion = (database: DatabaseSync): number =>
  Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
