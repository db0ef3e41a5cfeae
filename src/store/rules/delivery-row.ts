import type { WebhookDeliveryRecord } from '../../core/records.ts'

/** The columns of a delivery, in the order of the table. */
export const deliveryRowOf = (record: WebhookDeliveryRecord) =>
  [
    record.id,
    record.createdAt,
    record.generationId,
    record.key,
    record.status,
    URL.parse(record.url)?.origin ?? '',
    record.nextTryAt,
    JSON.stringify(record),
  ] as const

/** The names of which as many are under way as may be. */
export const fullOf = (counts: ReadonlyMap<string, number>, most: number): string[] =>
  [...counts].flatMap(([name, count]) => (count >= most ? [name] : []))
