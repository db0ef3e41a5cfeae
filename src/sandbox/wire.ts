import type { Usd } from '#contract'
import type { Check, FieldProblem } from './fields.ts'
import type { OrderFields } from './read-order.ts'
import type { Pixels } from './reference-pixels.ts'
import type { RefusalTable, ServerReplies } from './replies.ts'
import type { Route, WireReply, WireRequest } from './server.ts'
import type { EmulatedPrice, SizeRule } from './size-and-price.ts'
import type { Story } from './stories.ts'
import type { Task, TaskFailure, TaskImage } from './task.ts'

/**
 * What makes a vendor: its wire. Everything else is the kit's. `Facts` is what replies repeat of a task; `Answer` is what one submit or
 * poll is answered with: an HTTP reply, or a part of one where a request holds several tasks.
 */
export interface Wire<Facts, Answer = WireReply> {
  /** The provider's id, which is that of its folder. */
  readonly provider: string
  /** The middle of how long a task takes, unless the starter says otherwise. */
  readonly typicalMs: number
  readonly startBalance?: Usd
  /** How long an ended task is found; for ever without it. */
  readonly taskLifeMs?: number
  /** Unfinished tasks that an account may have; one more is `rate-limited`. */
  readonly maxUnfinished?: number
  /** Stories for which the wire has no words. */
  readonly unplayed: readonly Story[]
  /** By the vendor's model id. */
  readonly models: Readonly<Record<string, EmulatedModel>>
  /** Where its names differ from the usual ones. */
  readonly fields: Partial<OrderFields>
  /** The id of an image, and of a task where the caller gives none. */
  newId(): string
  facts(submitted: Submitted): Facts
  /** Webhook bodies for each image, or one for the task. */
  readonly webhook?: {
    readonly perImage: boolean
    readonly tries: number
    body(task: Task<Facts>, image: TaskImage, kit: Kit<Facts, Answer>): Promise<object>
    headers?(task: Task<Facts>): Readonly<Record<string, string>>
  }
  readonly delivery: Delivery<Facts>
  /** The key a request brings, without the scheme: `bearer`, `headerKey('x-key')`. */
  key(request: WireRequest): string | undefined
  /** What the server says by itself. `wrong-key` is any key but `SANDBOX_KEY`. */
  readonly replies: ServerReplies
  /** What a submit is refused with, before anything is bought; with `moderated`, that story is refused so too. */
  readonly refused: RefusalTable<Answer>
  /** What a body with these faults is refused with. */
  invalid(problems: readonly FieldProblem[], body: unknown): Answer
  readonly states: States<Facts, Answer>
  routes(kit: Kit<Facts, Answer>): readonly WireRoute[]
}

/** A model, from the vendor's own pages and not from the manifest, so that a slip in one shows. */
export interface EmulatedModel {
  readonly schema: Check
  /** 1024 x 1024 where the body has none, without it. */
  readonly size?: SizeRule
  readonly price: EmulatedPrice
}

export interface Submitted {
  /** The vendor's model id. */
  readonly model: string
  /** A body that the model's schema accepts. */
  readonly body: Readonly<Record<string, unknown>>
  readonly prompt: string
  /** Of one image. */
  readonly size: Pixels
  readonly references: readonly Pixels[]
}

export interface Delivery<Facts> {
  /** Path of the images, without a slash at its end. */
  readonly path: string
  /** Milliseconds a link lives from its image's completion; for ever without it. */
  readonly lifeMs?: number
  /** Of a JPEG; `jpg` without it. */
  readonly jpegExtension?: string
  /** What the link's query holds and the fetch must bring. */
  query?(task: Task<Facts>, image: TaskImage): Readonly<Record<string, string>>
  /** The reply to a dead link. */
  readonly dead: WireReply
}

/** What a poll finds, in the vendor's words. */
export interface States<Facts, Answer> {
  /** A task that nobody submitted, or that is too old to be found; also where the story wants a 404. */
  unknown(id: string): Answer
  /** A task that was accepted and then lost. */
  vanished(task: Task<Facts>): Answer
  /** A call that is refused with this HTTP status, which is not 404. */
  refused(status: number, task: Task<Facts>): Answer
  /** A status that nobody documented; `count` is 1 at the first. */
  strange(count: number, task: Task<Facts>): Answer
  /** `progress` is 0…0.99. */
  pending(progress: number, task: Task<Facts>, kit: Kit<Facts, Answer>): Answer | Promise<Answer>
  failed(failure: TaskFailure, task: Task<Facts>, kit: Kit<Facts, Answer>): Answer | Promise<Answer>
  /** At least one image is ready, and none is in work. */
  ready(task: Task<Facts>, kit: Kit<Facts, Answer>): Answer | Promise<Answer>
}

export interface WireRoute extends Route {
  /** The route asks for no key, or the vendor's own handler does. */
  readonly isOpen?: boolean
}

/** What the kit does for a vendor's routes. */
export interface Kit<Facts, Answer = WireReply> {
  /** `http://127.0.0.1:<port>` */
  readonly origin: string
  /** What is left of the account, in dollars. */
  balance(): Usd
  /**
   * Judges a body, plays its story, and takes the task on: it is charged and on disk when `accepted` is asked for the answer.
   * @param model as it came
   */
  submit(model: unknown, body: unknown, accepted: (task: Task<Facts>) => Answer | Promise<Answer>): Promise<Answer>
  /**
   * What one image of an order would be charged, and nothing is bought.
   * @param order as a submit would have it, but for its references
   * @param references their sizes, where the question names any
   */
  estimate(model: unknown, order: unknown, references: unknown, priced: (amount: Usd) => Answer): Answer
  /** Every task that was accepted, the oldest first. */
  tasks(): readonly Task<Facts>[]
  /** What a poll of this task is answered with; it counts as one. */
  poll(id: string): Promise<Answer>
  /** How the task stands, without counting as a poll or playing a poll's story. */
  state(task: Task<Facts>): Promise<Answer>
  /** The reply to accepted submits, or what their stories make of it on the way. */
  accepted(tasks: readonly Task<Facts>[], reply: WireReply): WireReply
  /** The link to a ready image. */
  link(task: Task<Facts>, image: TaskImage): Promise<string>
  draw(task: Task<Facts>, image: TaskImage): Promise<Buffer>
  /** A ready image in base64, for a reply that brings it itself. */
  inline(task: Task<Facts>, image: TaskImage): Promise<string>
  /** What a submit is answered with that is held until the task has ended or the client is gone. */
  held(task: Task<Facts>, closed: Promise<void>): Promise<Answer>
}
