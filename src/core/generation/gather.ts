import type { GenerationRequest, OutputFormat, ReferenceImage, Warning } from '#contract'
import type { Instant, Reference, Route } from '../records.ts'
import { budgetOf } from '../billing/budget.ts'
import type { Budget, KeyPolicy } from '../billing/budget.ts'
import type { Offers } from '../offers.ts'
import { translateOrder } from '../plan/order.ts'
import { maskOf, objectionToMask } from '../plan/mask.ts'
import { safetyChecksOn } from '../plan/safety-checks.ts'
import type { Candidate, PlanInput } from '../plan/plan.ts'
import { AssetError } from '../ports.ts'
import type { Ports } from '../ports.ts'
import { isStandIn } from '../../reading/held-bytes.ts'
import { assetsOf } from './assets-of.ts'
import { sent } from './inline-references.ts'
import { noSuchModel, providersNamed, requireInstalled } from './names.ts'
import { mayUseModel, mayUseProvider, providersFor, USE_OTHERS } from '../keys/may-use.ts'
import { policyInForce } from '../keys/policy-in-force.ts'
import { Refusal } from './refusal.ts'
import { rememberSizes } from './remember-sizes.ts'
import type { MeasureLinks } from './measure-references.ts'

/** All that a plan depends on, the same for a quote and for a purchase. */
export interface Gathered extends PlanInput {
  /** What the key may do; null where none was asked for. */
  readonly policy: KeyPolicy | null
  readonly budget: Budget | null
  /** The instant the budget was read for: a purchase counts in the period it lies in. */
  readonly now: Instant
}

/**
 * Reads what a plan depends on: the model, the references with their real pixels, every offer, the key's budget. Buys nothing; throws `Refusal`.
 * @param measure instead of one that remembers sizes for the next quote
 */
export type Gather = (request: GenerationRequest, key: string | null, measure?: MeasureLinks) => Promise<Gathered>

export interface GatherDependencies {
  readonly ports: Ports
  readonly offers: Offers
  /** A number in 0…1, for weighted routing. */
  readonly roll: () => number
  /** Why a URL that a caller gave cannot be used; null where it can, as far as is known now. Without it none is refused. */
  readonly urlObjection?: (url: string) => Promise<string | null>
  /** What is said of a prompt whatever the offer. Without it nothing is. */
  readonly promptWarnings?: (prompt: string) => readonly Warning[]
}

export function createGather({ ports, offers, roll, urlObjection, promptWarnings }: GatherDependencies): Gather {
  const remembered = rememberSizes(ports)
  const keep = keeper(ports, urlObjection)

  return async (asked, key, measure = remembered(key)) => {
    const asking = policyInForce(offers.standing(key))
    const resolved = offers.resolve(asked)
    const { models: names = null, providers = null } = asking ?? {}
    const nothingCalledSo = (): Refusal =>
      noSuchModel(asked.model, providers === null ? offers.suggestModel(asked.model, names) : USE_OTHERS)
    // A model that the key may not use is answered as one that is not there.
    if (!resolved || !mayUseModel(names, asked.model, resolved.model)) throw nothingCalledSo()
    const named = providersNamed(asked)
    if (named.length > 0) requireInstalled(named, offers.providers(), providersFor(providers, offers.providers()))
    const { reference_images: images = [], mask, ...request } = resolved.request
    refuseMisplacedImages(request)
    const seesAll = asking === null || asking.admin
    const mayUse = (owner: string | null): boolean => seesAll || owner === key
    const kept = images.map((image, index) => keep(image, `reference_images.${index}`, key, mayUse))
    const masks = mask === undefined ? [] : [keep(mask, 'mask', key, mayUse).then((one): Reference => ({ ...one, isMask: true }))]
    const given = kept.length + masks.length
    const references = given === 0 ? [] : await measure(await Promise.all([...kept, ...masks]))
    refuseMask(references)
    // What is measured and read from here on is as it is now, after the references have come: the key may have ended meanwhile.
    const policy = policyInForce(offers.standing(key))
    const sold = offers.candidates(resolved.model, request.provider_options ?? {})
    const candidates = policy?.providers ? usable(sold, policy, asked, resolved.pinned) : sold
    // So is one that only others sell.
    if (candidates.length === 0 && sold.length > 0) throw nothingCalledSo()
    const now = ports.clock.now()
    return {
      request: { ...request, model: resolved.model },
      references,
      candidates,
      rule: resolved.rule,
      pinned: resolved.pinned,
      roll: roll(),
      safetyChecks: safetyChecksOn(request.provider_options ?? {}, offers.safetyOptions),
      requestWarnings: promptWarnings?.(request.prompt) ?? [],
      optionWarnings: (route) => optionWarnings(ports, route, request.prompt),
      policy,
      budget: await budgetOf(ports.store, policy, now),
      now,
    }
  }
}

function refuseMask(references: readonly Reference[]): void {
  const mask = maskOf(references)
  const message = mask && objectionToMask(mask, references[0])
  if (message) throw new Refusal('invalid_request', `mask: ${message}`, [{ path: 'mask', message }])
}

/** The bytes of an inline image are of use only where a reference is asked for; as any other text it would be far too long. */
function refuseMisplacedImages(value: unknown, path = ''): void {
  if (typeof value === 'string' && isStandIn(value)) {
    const message = 'it holds an image in base64, which goes into reference_images'
    throw new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
  }
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) refuseMisplacedImages(member, path === '' ? name : `${path}.${name}`)
}

/** A reference by its bytes where we have them, so that it is still the same image at the second provider. */
function keeper(
  ports: Ports,
  urlObjection: GatherDependencies['urlObjection'],
): (image: ReferenceImage | Reference, path: string, key: string | null, mayUse: (owner: string | null) => boolean) => Promise<Reference> {
  return async (image, path, key, mayUse) => {
    // Kept before, by a comparison.
    if (typeof image !== 'string' && 'kind' in image) return image
    const refuse = (message: string) => new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
    if (typeof image !== 'string') {
      const stored = await ports.store.image(image.image)
      // Another key's image is as if it were not there.
      if (!stored || !mayUse(stored.key)) throw refuse(`there is no image ${image.image}`)
      if (!stored.sha256 || !stored.format || !stored.width || !stored.height)
        throw refuse(`image ${image.image} was passed on as the provider's link and is not stored`)
      const { id, sha256, format, width, height, bytes } = stored
      if (!(await isStillStored(ports, { sha256, format, bytes })))
        throw refuse(`image ${image.image} is no longer stored; send it as a data: URI`)
      return { kind: 'stored', id, sha256, format, ...(bytes === null ? {} : { bytes }), pixels: { width, height } }
    }
    if (!image.startsWith('data:')) {
      const objection = (await urlObjection?.(image)) ?? null
      if (objection !== null) throw refuse(objection)
      return { kind: 'url', url: image, pixels: null }
    }
    try {
      const { sha256, format, bytes, width, height } = await assetsOf(ports.assets, key).examine(
        sent(image, path),
        ports.settings.maxImageBytes,
      )
      return { kind: 'stored', sha256, format, bytes, pixels: { width, height } }
    } catch (error) {
      if (error instanceof AssetError && error.reason !== 'storage') throw refuse(error.message)
      throw error
    }
  }
}

/** Whether an image has not been removed by its age or for lack of disk space, and is as long as it was. */
async function isStillStored(
  { assets }: Ports,
  { sha256, format, bytes }: { readonly sha256: string; readonly format: OutputFormat; readonly bytes: number | null },
): Promise<boolean> {
  const stream = await assets.open(sha256, format, { start: 0, end: 0 }, bytes ?? undefined)
  stream?.destroy()
  return stream !== null
}

/** What a key may use. Of the others it sees nothing, neither name nor price; one that the request itself names is refused by that name. */
function usable(
  candidates: readonly Candidate[],
  { name, providers }: KeyPolicy,
  { provider: { order = [], only = [] } = {} }: GenerationRequest,
  pinned: string | null,
): readonly Candidate[] {
  const named = new Set([pinned, ...order, ...only])
  return candidates.flatMap((candidate): Candidate | [] => {
    const { offer, options } = candidate
    const { provider } = offer
    // The same object: what was found of it last is remembered under it.
    if (mayUseProvider(providers, provider)) return candidate
    return named.has(provider)
      ? { offer, options, latency: null, unavailable: `key: ${name} may not use ${provider}.`, isForbidden: true }
      : []
  })
}

/** Stands for the task id where a call is only judged. */
const NO_TASK_ID = '00000000-0000-4000-8000-000000000000'

/** What a provider's own options cause, said by its adapter before anything is bought. */
function optionWarnings(ports: Ports, route: Route, prompt: string): readonly Warning[] {
  const provider = ports.settings.provider(route.provider)
  if (!provider) return []
  const attempt = { taskId: NO_TASK_ID, images: route.tasks[0] ?? 1, seed: null }
  const webhook = ports.hooks?.webhookFor(provider.id, '', '')
  return translateOrder(provider, { route, prompt, attempt, references: [], webhook })?.warnings ?? []
}
