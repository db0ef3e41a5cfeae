import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation, WebhookDelivery } from '#contract'
import { ask } from '../crash/nodes.ts'
import { POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { startWithReceiver } from './with-receiver.ts'
import type { ClusterWithReceiver } from './with-receiver.ts'

/** A minute otherwise. */
const CLAIM_MS = 5_000
const WAIT = { timeout: 60_000 }

describe.skipIf(POSTGRES_PROGRAMS === null)('the webhooks of three nodes', { timeout: 60_000 }, () => {
  let own: ClusterWithReceiver
  beforeAll(async () => {
    own = await startWithReceiver({
      overrides: { webhookClaimMs: CLAIM_MS },
    })
  }, 60_000)
  afterAll(() => own.close())

  const deliveries = async (index: number): Promise<readonly WebhookDelivery[]> => {
    const reply = await fetch(`${own.cluster.node(index).url}/v1/webhooks/deliveries?limit=50`)
    return ((await reply.json()) as { readonly data: readonly WebhookDelivery[] }).data
  }

  test('are tried again once each, also those that a node had planned which is dead by then', async () => {
    own.receiver.answerWith(503)
    const bought = await Promise.all(
      Array.from({ length: 12 }, async (_, index): Promise<Generation> => {
        const more = { webhook: { url: own.receiver.url } }
        return (await ask(own.cluster.node(index), 'bfl/flux-2-pro', { prefer: 'wait=60' }, more)).generation
      }),
    )
    const ids = bought.map(({ id }) => id)
    // Each waits for its second try, some seconds from now.
    await expect
      .poll(async () => (await deliveries(1)).map(({ tries, status }) => `${tries} ${status}`))
      .toEqual(ids.map(() => '1 pending'))
    own.receiver.answerWith(204)
    void own.cluster.node(0).kill('SIGKILL')
    const statuses = async () => (await deliveries(1)).map(({ tries, status }) => `${tries} ${status}`)
    await expect.poll(statuses, WAIT).toEqual(ids.map(() => '2 delivered'))
    expect(ids.map((id) => own.heardOf(id))).toEqual(ids.map(() => 2))
  })

  test('that a node was sending when it died are sent by another one once its claim is over, and not before', async () => {
    own.receiver.answerWith(() => {})
    const more = { webhook: { url: own.receiver.url } }
    const bought = async (index: number) =>
      (await ask(own.cluster.node(index), 'bfl/flux-2-pro', { prefer: 'wait=60' }, more)).generation.id
    const id = await bought(1)
    await expect.poll(() => own.heardOf(id), WAIT).toBe(1)
    own.receiver.answerWith(204)
    const claimedAt = performance.now()
    void own.cluster.node(1).kill('SIGKILL')
    // The one that is left reads what is due when it has a delivery of its own.
    const other = await bought(2)
    await expect.poll(() => own.heardOf(other), WAIT).toBe(1)
    await expect.poll(() => own.heardOf(id), WAIT).toBe(2)
    expect(performance.now() - claimedAt).toBeGreaterThan(CLAIM_MS / 2)
    const status = async () => (await deliveries(2)).find(({ generation_id }) => generation_id === id)?.status
    await expect.poll(status, WAIT).toBe('delivered')
    expect(own.heardOf(id)).toBe(2)
  })
})
