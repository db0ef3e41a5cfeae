import { COST_COLUMNS } from '#contract'
import type { CostRow } from '../core/records.ts'
import { iso, isoOrNull } from '../core/instant.ts'
import { megapixelsOf, valuesOf } from '../core/billing/cost-groups.ts'

type Cell = string | number | null

/** One record of RFC 4180, with its CRLF. */
const record = (cells: readonly Cell[]): string => `${cells.map(cell).join(',')}\r\n`

/**
 * What a spreadsheet takes for the beginning of a formula, its full-width twins included, after what it does not show: blanks, control characters,
 * quotes. One that separates by semicolons or tabs sees a cell begin behind each of them, since quotes inside what it takes for a cell keep nothing
 * together, and behind the end of a line.
 */
const FORMULA = /(^|[;\t\r\n])(?=(?:[^\S\t\r\n]|[\p{Cf}"])*[=+\-@|\uff1d\uff0b\uff0d\uff20])/gu
/** So it does of what begins with the end of a cell or a line. */
const EARLY_END = /^\p{Cf}*[\t\r\n]/u
/** Control characters but tab and the ends of lines: no spreadsheet reads them. */
const CONTROL = /(?![\t\r\n])\p{Cc}/gu
/** What separates or quotes; a spreadsheet of another language separates by semicolons or tabs. */
const SEPARATOR = /[",;\t\r\n]/
const AMOUNT = /^-?\d+(\.\d+)?$/

/**
 * What a spreadsheet would take for a formula gets an apostrophe in front: vendors and callers write some of these texts.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
function cell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const shown = value.replaceAll(CONTROL, '')
  const text = AMOUNT.test(shown) ? shown : withoutFormulas(shown)
  return SEPARATOR.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text
}

function withoutFormulas(text: string): string {
  const kept = text.replaceAll(FORMULA, "$1'")
  return EARLY_END.test(kept) ? `'${kept}` : kept
}

/** The columns, with one for each metadata key that a grouping or filter names. */
export const costHeader = (metadata: readonly string[]): string => record([...COST_COLUMNS, ...metadata.map((key) => `metadata.${key}`)])

/** One attempt, in the order of the header. */
export function costLine(row: CostRow, groupBy: readonly string[], metadata: readonly string[]): string {
  const { at, generationId, attemptId, key, model, provider, task, amount, kind, createdAt } = row
  const { providerModel, providerTaskId, status, code, images, made, quoted, fidelity = null } = task
  const cells: Record<(typeof COST_COLUMNS)[number], Cell> = {
    settled_at: iso(at),
    generation_id: generationId,
    attempt_id: attemptId,
    key,
    model,
    provider,
    provider_model: providerModel,
    provider_task_id: providerTaskId,
    status,
    error_code: code,
    images: kind === 'adjusted' ? 0 : images,
    width: made?.width ?? null,
    height: made?.height ?? null,
    reference_images: made?.references.length ?? null,
    quoted_usd: quoted,
    amount_usd: amount,
    basis: row.task.isMetered === true ? 'metered' : kind,
    created_at: isoOrNull(createdAt),
    megapixels: megapixelsOf(row),
    fidelity,
    metadata: Object.keys(row.metadata).length === 0 ? null : JSON.stringify(row.metadata),
    group: valuesOf(row, groupBy)
      .map((value) => value ?? '–')
      .join(' / '),
    surcharge_usd: task.surcharge ?? null,
  }
  const named = metadata.map((name) => (Object.hasOwn(row.metadata, name) ? (row.metadata[name] ?? null) : null))
  return record([...COST_COLUMNS.map((column) => cells[column]), ...named])
}
