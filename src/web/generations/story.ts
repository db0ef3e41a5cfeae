import type { Generation } from '../../client/index.ts'
import { formatName, listed, pixels, size } from '../format/facts.ts'
import { sentence } from '../format/text.ts'
import { usdText } from '../format/usd.ts'
import { isOpen } from '../parts/shown-state.ts'

/** One thing that happened, in order. */
export interface Event {
  /** Seconds since the generation was accepted; null where it is not known. */
  readonly seconds: string | null
  readonly kind: 'plain' | 'bad' | 'ok' | 'open'
  readonly head: string
  readonly text: string
  /** What it did cost, in bold. */
  readonly billed: string
  /** The number of the attempt, where this is one. */
  readonly attempt: number | null
}

type Titles = (id: string | null) => string
type Attempt = Generation['attempts'][number]

const secondsSince = (from: string, to: string | null): string | null =>
  to === null ? null : (Math.max(0, Date.parse(to) - Date.parse(from)) / 1000).toFixed(3)

/** What happened to a generation, from its acceptance to its end. */
export function storyOf(generation: Generation, titles: Titles): readonly Event[] {
  const { created_at: accepted, attempts, images, completed_at: completed, status } = generation
  const events: Event[] = [
    { seconds: '0.000', kind: 'plain', head: 'Accepted', text: routedText(generation, titles), billed: '', attempt: null },
    ...attempts.map((attempt, at) => attemptEvent(attempt, at + 1, accepted, titles)),
  ]
  const [image] = images
  if (image !== undefined && image.bytes !== null)
    events.push({
      seconds: null,
      kind: 'plain',
      head: images.length === 1 ? 'Image fetched' : `${images.length} images fetched`,
      text: fetchedText(images),
      billed: '',
      attempt: null,
    })
  if (status === 'succeeded')
    events.push({ seconds: secondsSince(accepted, completed), kind: 'ok', head: 'Stored, done', text: '', billed: '', attempt: null })
  if (status === 'canceled')
    events.push({ seconds: secondsSince(accepted, completed), kind: 'plain', head: 'Canceled', text: '', billed: '', attempt: null })
  return events
}

function fetchedText(images: Generation['images']): string {
  const [first] = images
  const all = size(images.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0))
  const what = first?.format == null ? 'an image' : `a ${formatName(first.format)}`
  const made = `${what}${first?.width == null || first.height === null ? '' : ` of ${pixels(first.width, first.height)}`}`
  if (images.length === 1) return `${all}, checked to be ${made}.`
  const areAlike = images.every(({ format, width, height }) => format === first?.format && width === first.width && height === first.height)
  return `${all} in all, each checked to be ${areAlike ? made : 'an image'}.`
}

function routedText({ routing }: Generation, titles: Titles): string {
  const { strategy, considered } = routing
  const eligible = considered.filter((offer) => offer.eligible)
  if (eligible.length <= 1) return `For ${titles(eligible[0]?.provider ?? null) || 'nobody'} alone.`
  const by = { pinned: 'by name', order: 'in the order given', weights: 'by weight', price: 'by price', latency: 'by time' }[strategy]
  const parts = eligible.map(
    ({ provider, quoted, fidelity }) =>
      `${titles(provider)} ${quoted === null ? 'without a price' : usdText(quoted)}${fidelity === 'exact' || fidelity === null ? '' : `, ${fidelity}`}`,
  )
  return `Routed ${by}: ${listed(parts)}.`
}

function attemptEvent(attempt: Attempt, number: number, accepted: string, titles: Titles): Event {
  const { error, status, provider, provider_task_id: task, cost } = attempt
  const head = `Attempt ${number}, ${titles(provider)}`
  const seconds = secondsSince(accepted, attempt.started_at)
  const submitted = task === null ? 'Submitted' : `Submitted and accepted, task ${task}`
  if (error !== null) {
    return {
      seconds,
      kind: 'bad',
      head,
      text: `${answeredText(error, submitted)}${sentence(error.message)}`,
      billed: billedOf(error.billed, cost),
      attempt: number,
    }
  }
  if (status === 'succeeded')
    return { seconds, kind: 'plain', head, text: `${submitted}.`, billed: cost.amount === null ? 'Billed? Unknown' : '', attempt: number }
  const now = isOpen(status)
    ? 'Waiting for its turn.'
    : status === 'pending'
      ? `${submitted}. It is being made.`
      : status === 'collecting'
        ? 'Made; the image is being fetched.'
        : `${submitted}.`
  return { seconds, kind: 'open', head, text: now, billed: '', attempt: number }
}

/** What was answered; nothing of what never reached the provider, and the provider's words once. */
function answeredText(error: NonNullable<Attempt['error']>, submitted: string): string {
  const { provider_status: status, provider_message: said, message, billed } = error
  if (status === null && billed === false) return ''
  const quoted = said === null || message.includes(said.replace(/\.$/, '')) ? '' : ` “${said.replace(/\.$/, '')}”`
  return `${submitted}${status === null ? '' : `, answered ${status}`}${quoted}. `
}

function billedOf(billed: boolean | 'unknown', { amount, quoted }: Attempt['cost']): string {
  if (billed === false) return 'Not billed.'
  if (amount !== null) return amount === '0' ? 'Not billed.' : `Billed ${usdText(amount)}.`
  return quoted === null ? 'Billed? Unknown.' : `Billed? Unknown, at most ${usdText(quoted)}.`
}
