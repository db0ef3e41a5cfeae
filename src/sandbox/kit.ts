import { subtractUsd } from '#contract'
import { createDrawer, oddLink } from './delivery.ts'
import type { Journal } from './journal.ts'
import type { Refusal } from './replies.ts'
import type { WireReply } from './server.ts'
import { playOf } from './stories.ts'
import type { TaskStore } from './task-store.ts'
import { endsAt, pollTask, readyAt, type Task } from './task.ts'
import { createTimers } from './timers.ts'
import { createWebhookSender } from './webhook-sender.ts'
import type { Kit, Wire } from './wire.ts'

interface KitOptions<Facts> {
  readonly wire: Wire<Facts>
  readonly store: TaskStore<Facts>
  readonly journal: Journal
  readonly typicalMs: number
  readonly origin: string
}

const HTML = '<!doctype html><title>Just a moment…</title><p>Checking your browser.</p>'

/** The kit of one running emulator. Webhooks that an earlier start owes are sent. */
export function createKit<Facts>({ wire, store, journal, origin }: KitOptions<Facts>): { readonly kit: Kit<Facts>; close(): void } {
  const timers = createTimers()
  const webhooks = promiseWebhooks(wire, journal, timers.at)
  const draw = createDrawer()
  const refusal = refusals(wire.provider)
  const kit: Kit<Facts> = {
    origin,
    balance: () => subtractUsd(wire.startBalance ?? '0', store.spent()),
    refusal,
    unfinished: store.unfinished,
    accept(order) {
      const task = store.accept(order)
      webhooks.promise(task, kit)
      return task
    },
    find: store.find,
    poll: (task) => pollTask(task, Date.now()),
    accepted: (tasks, reply) => tasks.reduce((said, task) => onTheWay(task, said), reply),
    async link(task, image) {
      const { path, extension, query } = wire.delivery
      const search = query ? `?${new URLSearchParams(query(task, image)).toString()}` : ''
      const link = `${origin}${path}/${image.id}.${extension(image.format)}${search}`
      return task.play?.story === 'odd-link' ? oddLink(link, image.format, await draw(task, image), task.play.parameter) : link
    },
    draw,
    ended: (task, closed) => Promise.race([new Promise<void>((resolve) => timers.at(endsAt(task), resolve)), closed]),
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

/** The same prompt is refused again, in `rate-limited`, only after this long. */
const RATE_STORY_MS = 10_000

function refusals(provider: string): (prompt: string) => Refusal | null {
  const limitedAt = new Map<string, number>()
  return (prompt) => {
    const story = playOf(prompt, provider)?.story
    switch (story) {
      case 'rate-limited': {
        const now = Date.now()
        if (now - (limitedAt.get(prompt) ?? 0) < RATE_STORY_MS) return null
        limitedAt.set(prompt, now)
        return 'rate-limited'
      }
      case 'always-rate-limited':
        return 'rate-limited'
      case 'unauthorized':
      case 'no-credit':
      case 'unavailable':
      case 'crash':
        return story
      default:
        return null
    }
  }
}

/** Sends each owed webhook when its image, or the task, is through; what was taken is written down and not sent again. */
function promiseWebhooks<Facts>(wire: Wire<Facts>, journal: Journal, at: (instant: number, run: () => void) => void) {
  const sender = createWebhookSender(wire.webhook?.tries ?? 0)
  const taken = new Set((journal.lines as readonly { readonly webhookTaken?: string }[]).map(({ webhookTaken }) => webhookTaken))
  return {
    close: sender.close,
    promise(task: Task<Facts>, kit: Kit<Facts>): void {
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
