import { readFileSync } from 'node:fs'
import { Manifest } from '#contract'
import type { Order } from '#contract'
import { leastOrder } from '../../../test/support/least-order.ts'
import type { BflOptions } from '../wire.ts'

export const manifest = Manifest.parse(JSON.parse(readFileSync(new URL('../manifest.json', import.meta.url), 'utf8')))

/** The least order for one of the manifest's models. */
export const orderOf = (model: string, fields: Partial<Order<BflOptions>> = {}): Order<BflOptions> =>
  leastOrder(manifest, model, { options: {}, ...fields })
