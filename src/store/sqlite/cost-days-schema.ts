/** A step of the schema, as `MIGRATIONS` has it. */
export const COST_DAYS = `
-- Days (UTC, since 1970) whose settled lines are added up for reports. \`about\` names the lines that are in no sum; it is missing while the
-- one of that claim adds up. A day whose lines change is forgotten, and added up anew.
CREATE TABLE cost_days (
  day   INTEGER PRIMARY KEY,
  claim TEXT NOT NULL,
  about TEXT
) STRICT;
CREATE TABLE cost_sums (
  day         INTEGER NOT NULL REFERENCES cost_days (day) ON DELETE CASCADE,
  -- The metadata of which its generations have the same value; null where it is of all values.
  name        TEXT,
  value       TEXT,
  key         TEXT,
  provider    TEXT NOT NULL,
  model       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  task        TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  generations INTEGER NOT NULL,
  images      INTEGER NOT NULL,
  amount      INTEGER NOT NULL,
  quoted      INTEGER
) STRICT;
CREATE INDEX cost_sums_of_day ON cost_sums (day);
CREATE TRIGGER ledger_line_late AFTER INSERT ON ledger WHEN EXISTS (SELECT 1 FROM cost_days WHERE day >= NEW.at / 86400000) BEGIN
  DELETE FROM cost_days WHERE day = NEW.at / 86400000;
END;
CREATE TRIGGER ledger_line_changed AFTER UPDATE ON ledger BEGIN DELETE FROM cost_days; END;
CREATE TRIGGER ledger_line_gone AFTER DELETE ON ledger BEGIN DELETE FROM cost_days; END;
`
