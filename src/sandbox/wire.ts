import type { Usd } from '#contract'
import type { Refusal, ReplyTable } from './replies.ts'
import type { Route, WireReply, WireRequest } from './server.ts'
import type { Story } from './stories.ts'
import type { Poll, Task, TaskImage, TaskOrder } from './task.ts'

/** What makes a vendor: its wire. Everything else is the kit's. */
export interface Wire<Facts> {
  /** The provider's id, which is that of its folder. */
  readonly provider: string
  /** The middle of how long a task takes, unless the starter says otherwise. */
  readonly typicalMs: number
  readonly startBalance?: Usd
  /** How long an ended task is found; for ever without it. */
  readonly taskLifeMs?: number
  /** Stories for which the wire has no words. */
  readonly unplayed: readonly Story[]
  /** Webhook bodies for each image, or one for the task. */
  readonly webhook?: {
    readonly perImage: boolean
    readonly tries: number
    body(task: Task<Facts>, image: TaskImage, kit: Kit<Facts>): Promise<object>
    headers?(task: Task<Facts>): Readonly<Record<string, string>>
  }
  readonly delivery: {
    /** Path of the images, without a slash at its end. */
    readonly path: string
    extension(format: TaskImage['format']): string
    /** What the link's query holds and the fetch must bring. */
    query?(task: Task<Facts>, image: TaskImage): Readonly<Record<string, string>>
    /** The reply to a dead link. */
    readonly dead: WireReply
  }
  /** The key a request brings, without the scheme. */
  key(request: WireRequest): string | undefined
  /** The vendor's words for what goes wrong outside a task. `wrong-key` is any key but `SANDBOX_KEY`. */
  readonly replies: ReplyTable
  routes(kit: Kit<Facts>): readonly WireRoute[]
}

export interface WireRoute extends Route {
  /** The route asks for no key, or the vendor's own handler does. */
  readonly isOpen?: boolean
}

/** What the kit does for a vendor's routes. */
export interface Kit<Facts> {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  /** What is left of the account, in dollars. */
  balance(): Usd
  /** The refusal that the prompt's story wants at the submit, or null. */
  refusal(prompt: string): Refusal | null
  /** Tasks that are neither done nor failed. */
  unfinished(): number
  /** Takes a task on, and charges it. It is on disk when this returns. */
  accept(order: TaskOrder<Facts>): Task<Facts>
  find(id: string): Task<Facts> | undefined
  poll(task: Task<Facts>): Poll
  /** The reply to an accepted submit, or what its story makes of it on the way. */
  accepted(tasks: readonly Task<Facts>[], reply: WireReply): WireReply
  /** The link to a ready image. */
  link(task: Task<Facts>, image: TaskImage): Promise<string>
  draw(task: Task<Facts>, image: TaskImage): Promise<Buffer>
  /** Waits until the task has ended or the client is gone. */
  ended(task: Task<Facts>, closed: Promise<void>): Promise<void>
}
