import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { Problem, WebhookDelivery, WebhookDeliveryStatus } from '#contract'
import { deliveryView } from '../../core/present/webhook-delivery.ts'
import type { Notify } from '../../core/webhooks/engine.ts'
import type { Store } from '../../core/ports.ts'
import { notThere, requireOwned, seesOnly } from '../owned.ts'
import { PageQuery, pageOf } from '../paging.ts'
import { sendPage } from '../send-page.ts'

export interface DeliveryDependencies {
  readonly store: Pick<Store, 'delivery' | 'deliveries'>
  readonly notify: Pick<Notify, 'retry'>
}

const ListQuery = z.strictObject({
  generation_id: z.string().max(100).optional(),
  status: WebhookDeliveryStatus.optional(),
  ...PageQuery,
})

export const WebhookDeliveryList = pageOf(WebhookDelivery, 'WebhookDeliveryList')

const params = z.object({ id: z.string().max(100) })
const problems = { 400: Problem, 401: Problem, 404: Problem, 500: Problem } as const

/** Webhook deliveries, and redelivery. A key sees its own. */
export const webhookDeliveryRoutes: FastifyPluginAsyncZod<DeliveryDependencies> = async (app, { store, notify }) => {
  const list = {
    operationId: 'listWebhookDeliveries',
    summary: 'Webhook deliveries, newest first',
    tags: ['webhooks'],
    querystring: ListQuery,
    response: { 200: WebhookDeliveryList, ...problems },
  }
  app.get('/v1/webhooks/deliveries', { schema: list, config: { access: 'read' } }, async (request, reply) => {
    const { generation_id: generationId, status, cursor, limit } = request.query
    const found = await store.deliveries({
      limit,
      ...(generationId ? { generationId } : {}),
      ...(status ? { status } : {}),
      ...(cursor ? { cursor } : {}),
      ...seesOnly(request.caller),
    })
    return sendPage(request, reply, found, deliveryView)
  })

  const show = {
    operationId: 'getWebhookDelivery',
    summary: 'One webhook delivery',
    tags: ['webhooks'],
    params,
    response: { 200: WebhookDelivery, ...problems },
  }
  app.get('/v1/webhooks/deliveries/:id', { schema: show, config: { access: 'read' } }, async (request) => {
    const { id } = request.params
    return deliveryView(requireOwned(await store.delivery(id), request.caller, 'webhook delivery', id))
  })

  const retry = {
    operationId: 'retryWebhookDelivery',
    summary: 'Deliver a webhook again',
    description:
      'Tries now, whatever became of the tries before, with the same `webhook-id`; where it fails, the schedule of retries begins anew.',
    tags: ['webhooks'],
    params,
    response: { 202: WebhookDelivery, ...problems },
  }
  app.post('/v1/webhooks/deliveries/:id/retry', { schema: retry, config: { access: 'write' } }, async (request, reply) => {
    const { id } = request.params
    requireOwned(await store.delivery(id), request.caller, 'webhook delivery', id)
    const planned = await notify.retry(id)
    if (!planned) throw notThere('webhook delivery', id)
    return reply.code(202).send(deliveryView(planned))
  })
}
