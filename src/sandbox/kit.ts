import { subtractUsd } from '#contract'
import { createDrawer, extensionOf, inlineBytes, oddLink } from './delivery.ts'
import { isFields } from './fields.ts'
import type { Journal } from './journal.ts'
import type { Pixels } from './reference-pixels.ts'
import type { WireReply } from './server.ts'
import { estimated } from './size-and-price.ts'
import { createSubmit } from './submit.ts'
import type { TaskStore } from './task-store.ts'
import { endsAt, pollTask, readyAt, taskState, type Poll, type Task, type TaskOrder } from './task.ts'
import { createTimers } from './timers.ts'
import { createWebhookSender } from './webhook-sender.ts'
import type { Kit, Wire } from './wire.ts'

interface KitOptions<Facts, Answer> {
  readonly wire: Wire<Facts, Answer>
  readonly store: TaskStore<Facts>
  readonly journal: Journal
  readonly typicalMs: number
  readonly origin: string
}

const HTML = '<!doctype html><title>Just a moment…</title><p>Checking your browser.</p>'

/** The kit of one running emulator. Webhooks that an earlier start owes are sent. */
export function createKit<Facts, Answer>(options: KitOptions<Facts, Answer>): { readonly kit: Kit<Facts, Answer>; close(): void } {
  const { wire, store, journal, origin } = options
  const timers = createTimers()
  const webhooks = promiseWebhooks(wire, journal, timers.at)
  const draw = createDrawer()
  const take = (order: TaskOrder<Facts>): Task<Facts> => {
    const task = store.accept(order)
    webhooks.promise(task, kit)
    return task
  }
  const kit: Kit<Facts, Answer> = {
    origin,
    balance: () => subtractUsd(wire.startBalance ?? '0', store.spent()),
    submit: createSubmit(wire, store, take),
    estimate(model, order, references, priced) {
      const offered = Object.hasOwn(wire.models, String(model)) ? wire.models[String(model)] : undefined
      if (!offered) return wire.refused['unknown-model']
      const problems = offered.schema(order)
      if (problems.length > 0 || !isFields(order)) return wire.invalid(problems, order)
      return priced(estimated(offered, order, Array.isArray(references) ? (references as readonly Pixels[]) : [], order).amount)
    },
    tasks: () => [...store.all()],
    async poll(id) {
      const task = store.find(id)
      return task ? answerTo(pollTask(task, Date.now()), task, kit, wire) : wire.states.unknown(id)
    },
    state: async (task) => answerTo(taskState(task, Date.now()), task, kit, wire),
    accepted: (tasks, reply) => tasks.reduce((said, task) => onTheWay(task, said), reply),
    async link(task, image) {
      const { path, query } = wire.delivery
      const search = query ? `?${new URLSearchParams(query(task, image)).toString()}` : ''
      const link = `${origin}${path}/${image.id}.${extensionOf(image.format, wire.delivery.jpegExtension)}${search}`
      return task.play?.story === 'odd-link' ? oddLink(link, image.format, await draw(task, image), task.play.parameter) : link
    },
    draw,
    inline: async (task, image) => inlineBytes(task, await draw(task, image)).toString('base64'),
    async held(task, closed) {
      const story = task.play?.story
      if (story === 'unknown-status') return wire.states.strange(1, task)
      // These replies never arrive as they were sent.
      const isSeen = story !== 'lost-reply' && story !== 'garbage'
      if (isSeen) await Promise.race([new Promise<void>((resolve) => timers.at(endsAt(task), resolve)), closed])
      return kit.state(task)
    },
  }
  for (const task of store.all()) webhooks.promise(task, kit)
  return {
    kit,
    close() {
      timers.close()
      webhooks.close()
    },
  }
}

/** What a poll found, in the vendor's words. */
function answerTo<Facts, Answer>(
  poll: Poll,
  task: Task<Facts>,
  kit: Kit<Facts, Answer>,
  { states }: Wire<Facts, Answer>,
): Answer | Promise<Answer> {
  switch (poll.kind) {
    case 'vanished':
      return states.vanished(task)
    case 'refused':
      return poll.status === 404 ? states.unknown(task.id) : states.refused(poll.status, task)
    case 'strange':
      return states.strange(poll.count, task)
    case 'pending':
      return states.pending(poll.progress, task, kit)
    case 'failed':
      return states.failed(poll.failure, task, kit)
    case 'ready':
      return states.ready(task, kit)
  }
}

/** What becomes of the reply to an accepted submit before it leaves. */
function onTheWay(task: Task<unknown>, reply: WireReply): WireReply {
  switch (task.play?.story) {
    case 'lost-reply':
      return { ...reply, cut: 'all' }
    case 'half':
      return { ...reply, cut: 'half' }
    case 'garbage':
      return { status: 200, type: 'text/html', body: HTML }
    default:
      return reply
  }
}

/** Sends each owed webhook when its image, or the task, is through; what was taken is written down and not sent again. */
function promiseWebhooks<Facts, Answer>(wire: Wire<Facts, Answer>, journal: Journal, at: (instant: number, run: () => void) => void) {
  const sender = createWebhookSender(wire.webhook?.tries ?? 0)
  const taken = new Set((journal.lines as readonly { readonly webhookTaken?: string }[]).map(({ webhookTaken }) => webhookTaken))
  return {
    close: sender.close,
    promise(task: Task<Facts>, kit: Kit<Facts, Answer>): void {
      const { webhook } = wire
      if (!webhook || task.webhook === null || task.play?.story === 'vanished') return
      const { url } = task.webhook
      for (const image of webhook.perImage ? task.images : task.images.slice(0, 1)) {
        if (taken.has(image.id)) continue
        const send = async () => {
          const body = JSON.stringify(await webhook.body(task, image, kit))
          sender.deliver({ url, headers: webhook.headers?.(task) ?? {}, body }, () => journal.add({ webhookTaken: image.id }))
        }
        at(webhook.perImage ? readyAt(task, image) : endsAt(task), () => void send())
      }
    },
  }
}
