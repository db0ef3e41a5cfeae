import { COST_COLUMNS } from '#contract'
import type { CostRow } from '../core/records.ts'
import { iso } from '../core/instant.ts'

type Cell = string | number | null

/** One record of RFC 4180, with its CRLF. */
const record = (cells: readonly Cell[]): string => `${cells.map(cell).join(',')}\r\n`

/** What a spreadsheet takes for the beginning of a formula, its full-width twins and blanks before it included. */
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/
const AMOUNT = /^-?\d+(\.\d+)?$/

/**
 * A text that a spreadsheet would take for a formula gets an apostrophe in front: vendors and callers write some of these texts.
 * https://owasp.org/www-community/attacks/CSV_Injection
 */
function cell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = FORMULA.test(value) && !AMOUNT.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) || text !== text.trim() ? `"${text.replaceAll('"', '""')}"` : text
}

export const costHeader = (metadata: readonly string[]): string => record([...COST_COLUMNS, ...metadata.map((key) => `metadata.${key}`)])

/** One attempt, in the order of the header. */
export function costLine({ at, generationId, attemptId, key, model, provider, task, amount, kind, metadata }: CostRow): string {
  const { providerModel, providerTaskId, status, code, images, made, quoted } = task
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
    basis: kind,
  }
  return record([...COST_COLUMNS.map((column) => cells[column]), ...metadata])
}
