import { setTimeout as sleep } from 'node:timers/promises'
import type { Call, Order, Outcome, Provider, Reply } from '#contract'
import { SANDBOX_KEY, type Sandbox } from '#sandbox'
import { Secret } from '../../src/transport/secret.ts'
import { createTransport, type Transport } from '../../src/transport/index.ts'

/** How a purchase at an emulator went: its outcome, or `lost` where the submit's reply was and cannot be asked for. */
export interface Purchase {
  readonly end: Outcome | { readonly kind: 'lost'; readonly reason: string }
  readonly calls: readonly Call[]
  /** Every reply that came whole, with the call it answers. */
  readonly replies: readonly Reply[]
  /** What pending outcomes remarked on the way. */
  readonly notes: readonly string[]
  readonly ms: number
}

export interface BuyOptions {
  readonly submitTimeoutMs?: number
  /** After so many calls a task that is still pending is left alone. */
  readonly maxCalls?: number
}

export interface VendorSession {
  readonly sandbox: Sandbox
  readonly transport: Transport
  /** Sends an order and polls until it ends, a few milliseconds between two polls, as the core does with longer ones. */
  buy(order: Order, options?: BuyOptions): Promise<Purchase>
  say(call: Call): Promise<Outcome>
  close(): Promise<void>
}

const BETWEEN_POLLS_MS = 4
/** After so many refused polls in a row the task is given up. */
const MAX_REFUSED_POLLS = 6

/** A real transport to a running emulator, with the right key unless another is given. */
export function openSession(provider: Provider, sandbox: Sandbox, key: string = SANDBOX_KEY): VendorSession {
  const { id, manifest, adapter } = provider
  const transport = createTransport({ providers: [{ id, manifest, baseUrl: sandbox.url, apiKey: new Secret(key) }], allow: [] })

  async function buy(order: Order, { submitTimeoutMs = 5_000, maxCalls = 1_000 }: BuyOptions = {}): Promise<Purchase> {
    const startedAt = performance.now()
    const calls: Call[] = []
    const replies: Reply[] = []
    const notes: string[] = []
    let refusedPolls = 0
    const ended = (end: Purchase['end']): Purchase => ({ end, calls, replies, notes, ms: performance.now() - startedAt })
    let call = adapter.translate(order).call
    for (;;) {
      calls.push(call)
      const sent = await transport.send(id, call, call.purpose === 'submit' ? submitTimeoutMs : 2_000)
      if (sent.kind === 'refused' || sent.kind === 'unsent') throw new Error(`${call.purpose} was ${sent.kind}: ${sent.reason}`)
      if (sent.kind === 'lost') {
        const question = call.purpose === 'submit' ? (adapter.recover?.(call) ?? null) : call
        if (question === null) return ended({ kind: 'lost', reason: sent.reason })
        call = question
      } else {
        replies.push(sent.reply)
        const outcome = adapter.interpret(sent.reply, call)
        if (outcome.kind === 'refused' && call.purpose !== 'submit' && refusedPolls < MAX_REFUSED_POLLS) {
          refusedPolls += 1
          await sleep(BETWEEN_POLLS_MS)
          continue
        }
        if (outcome.kind !== 'pending') return ended(outcome)
        refusedPolls = 0
        if (outcome.note !== undefined) notes.push(outcome.note)
        if (calls.length >= maxCalls) return ended(outcome)
        call = outcome.next
      }
      await sleep(BETWEEN_POLLS_MS)
    }
  }

  async function say(call: Call): Promise<Outcome> {
    const sent = await transport.send(id, call, 5_000)
    if (sent.kind !== 'reply') throw new Error(`${call.purpose} was ${sent.kind}: ${sent.reason}`)
    return adapter.interpret(sent.reply, call)
  }

  return {
    sandbox,
    transport,
    buy,
    say,
    close: async () => {
      await Promise.all([transport.close(), sandbox.close()])
    },
  }
}
