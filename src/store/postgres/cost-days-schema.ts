/** A step of the schema, as `MIGRATIONS` has it. */
export const COST_DAYS = `
-- Days (UTC, since 1970) whose settled lines are added up for reports. \`about\` names the lines that are in no sum; it is missing while the
-- one of that claim adds up. A day whose lines change is forgotten, and added up anew. Triggers, since gateways of the version before write too.
CREATE TABLE cost_days (
  day   integer PRIMARY KEY,
  claim text NOT NULL,
  about text
);
CREATE TABLE cost_sums (
  day         integer NOT NULL REFERENCES cost_days (day) ON DELETE CASCADE,
  -- The metadata of which its generations have the same value; null where it is of all values.
  name        text,
  value       text,
  key         text,
  provider    text NOT NULL,
  model       text NOT NULL,
  kind        text NOT NULL,
  task        text NOT NULL,
  attempts    bigint NOT NULL,
  generations bigint NOT NULL,
  images      bigint NOT NULL,
  amount      bigint NOT NULL,
  quoted      bigint
);
CREATE INDEX cost_sums_of_day ON cost_sums (day);
CREATE FUNCTION forget_cost_day() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $forget$ BEGIN
  PERFORM pg_advisory_xact_lock_shared(1768776039, 3);
  DELETE FROM cost_days WHERE day = NEW.at / 86400000;
  RETURN NULL;
END $forget$;
CREATE FUNCTION forget_cost_days() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $forget$ BEGIN
  PERFORM pg_advisory_xact_lock_shared(1768776039, 3);
  DELETE FROM cost_days;
  RETURN NULL;
END $forget$;
-- A day is claimed a day after its end.
CREATE TRIGGER ledger_line_late AFTER INSERT ON ledger FOR EACH ROW
  WHEN (NEW.at < extract(epoch FROM now()) * 1000 - 43200000) EXECUTE FUNCTION forget_cost_day();
CREATE TRIGGER ledger_line_changed AFTER UPDATE OR DELETE OR TRUNCATE ON ledger FOR EACH STATEMENT EXECUTE FUNCTION forget_cost_days();
`
