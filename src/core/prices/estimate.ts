import { costOf } from '#adapter-kit'
import { valueAt, writeAt, type Call, type Json, type JsonObject, type PriceEstimate, type Reply, type Usd } from '#contract'

/** The free call that asks what an order would cost. */
export function estimateCall({ path, model, order, fields }: PriceEstimate, submit: Call): Call {
  const address = submit.url.replace(/\?.*$/, '')
  const name = address.startsWith(model.after) ? address.slice(model.after.length) : address
  const body: Record<string, unknown> = {}
  writeAt(body, model.at, name)
  if (order !== undefined) writeAt(body, order, submit.body ?? {})
  for (const [from, to] of Object.entries(fields)) {
    const value = valueAt(submit.body, from)
    if (value !== undefined) writeAt(body, to, value)
  }
  return { purpose: 'account', method: 'POST', url: path, body: body as JsonObject }
}

/** What the vendor says that the order would cost; null where it does not say. */
export function estimatedIn({ amount, unit }: PriceEstimate, { status, body }: Reply): Usd | null {
  if (status < 200 || status > 299) return null
  const value: Json | undefined = amount.map((pointer) => valueAt(body, pointer)).find((found) => found !== undefined && found !== null)
  const cost = costOf(value, { shift: unit === 'cents' ? -2 : 0 })
  return cost !== undefined && 'amount' in cost ? cost.amount : null
}
