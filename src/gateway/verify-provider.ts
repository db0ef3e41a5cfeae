import { randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Generation, GenerationRequest, Json, JsonObject, Provider, QuotedOffer, Usd } from '#contract'
import { compareUsd, subtractUsd, sumUsd } from '#contract'
import { createClient, type Client } from '../client/client.ts'
import { caseOf } from '../core/verify/case-file.ts'
import { isChargeSaid, judgeGeneration, mostSpent, newInReplies, type Finding } from '../core/verify/judge-exchange.ts'
import { createRecorder, type Exchange, type Recorder } from '../core/verify/recorder.ts'
import type { Send } from '../core/ports.ts'
import { createTransport } from '../transport/index.ts'
import { createRedactor, type Redactor } from '../transport/redactor.ts'
import { Secret } from '../transport/secret.ts'
import { transportConfig } from './from-config.ts'
import { knownFields } from './recorded-fields.ts'
import { ownAccount } from './verify-account.ts'
import { readConfiguration } from './read-configuration.ts'
import { judgeEstimate, judgeSchema, type Published } from './verify-published.ts'
import { startGateway, StartRefused, type StartOptions } from './start.ts'

export interface VerifyOptions {
  readonly provider: string
  readonly maxUsd: Usd
  /** Where recorded stories are written, as `<folder>/<provider>/cases/<story>.json`. */
  readonly record: string | null
  readonly models: readonly string[]
}

export interface Verified {
  readonly provider: string
  readonly max_usd: Usd
  /** At most: an unknown outcome counts whole. */
  readonly spent_usd: Usd
  readonly findings: readonly Finding[]
  readonly recorded: readonly string[]
}

const PROMPT = 'a red lighthouse on a cliff, plain background'
const WRONG_KEY = 'imagegate-verify-wrong-key'
const BALANCE = 'balance'

/**
 * Asks a provider with its real key for one small image of each model, a refusal and a balance, over the same path as any purchase, and compares
 * with what we expect. The money is bounded by a gateway key of its own and by `max_price_usd`. Its account is `<data>/verify`, so a running
 * gateway is not disturbed, and what a killed run left open is finished by the next.
 * @throws StartRefused where there is no such provider or no key
 */
export async function verifyProvider(start: StartOptions, options: VerifyOptions): Promise<Verified> {
  const { started, catalogue, log } = await readConfiguration({ ...start, overrides: { ...start.overrides, quiet: true } })
  const provider = catalogue.with(started.relays).providers.get(options.provider)
  const settings = started.providers.get(options.provider)
  if (!provider || !settings)
    throw new StartRefused(`no provider "${options.provider}" is installed; there are: ${[...started.providers.keys()].join(', ')}`)
  if (!settings.apiKey) throw new StartRefused(`nothing can be verified without a real key: set ${provider.manifest.auth.env}`)
  const secret = randomBytes(24).toString('base64url')
  let refusing: Send | null = null
  const recorder = createRecorder(() => refusing)
  const server = await startGateway({
    env: start.env,
    overrides: {
      ...start.overrides,
      port: 0,
      quiet: true,
      wrapPorts: recorder.wrap,
      configure: (config) => ownAccount(config, options, secret),
    },
  })
  const transport = createTransport(transportConfig(started, catalogue, log))
  const wrongly = createTransport(
    transportConfig({ ...started, providers: new Map([[provider.id, { ...settings, apiKey: new Secret(WRONG_KEY) }]]) }, catalogue, log),
  )
  try {
    const client = createClient({ url: server.url, key: secret })
    const run = new Verification(provider, client, recorder, options, createRedactor(settings.apiKey), { provider, settings, transport })
    const models = Object.keys(provider.manifest.models).filter((model) => options.models.length === 0 || options.models.includes(model))
    await run.finishEarlier()
    refusing = wrongly.send
    await run.refusal(models)
    refusing = null
    for (const model of models) await run.model(model)
    await run.balance()
    return await run.result()
  } finally {
    await server.close()
    await wrongly.close()
    await transport.close()
  }
}

interface Affordable {
  readonly asked: JsonObject & { readonly model: string }
  readonly request: GenerationRequest
  readonly row: QuotedOffer
}

class Verification {
  readonly #provider: Provider
  readonly #client: Client
  readonly #recorder: Recorder
  readonly #options: VerifyOptions
  /** The wrong key's replies were read by a transport that does not know the real one. */
  readonly #redactor: Redactor
  readonly #findings: Finding[] = []
  readonly #recorded: string[] = []
  readonly #known: ReadonlySet<string> | null
  readonly #published: Published
  #spent: Usd = '0'

  constructor(provider: Provider, client: Client, recorder: Recorder, options: VerifyOptions, redactor: Redactor, published: Published) {
    this.#published = published
    this.#redactor = redactor
    this.#provider = provider
    this.#client = client
    this.#recorder = recorder
    this.#options = options
    this.#known = knownFields(provider.id)
    if (this.#known === null) this.#say('skipped', 'fields of replies', 'no recorded cases are installed to compare with')
  }

  /** What an earlier run was killed over goes on in this account, and is said. */
  async finishEarlier(): Promise<void> {
    for (const status of ['queued', 'running'] as const)
      for (const { id, model } of (await this.#client.list({ status, limit: 100 })).data) {
        const ended = await this.#client.wait(id)
        this.#say(
          'new',
          `${model} of an earlier run`,
          `${id} was left open and has ${ended.status}; cost ${ended.cost.amount ?? 'unknown'}`,
        )
      }
  }

  async model(model: string): Promise<void> {
    for (const each of await judgeSchema(this.#published, model)) this.#say(each.verdict, `${model}, schema`, each.detail)
    const affordable = await this.#affordable(model)
    if (typeof affordable === 'string') return this.#say('skipped', model, affordable)
    const { asked, request, row } = affordable
    const { manifest, adapter } = this.#provider
    const generation = await this.#buy(request)
    const exchanges = this.#recorder.of(generation.id)
    for (const each of [
      ...judgeGeneration(generation, row, manifest, isChargeSaid(exchanges, adapter)),
      ...newInReplies(exchanges, adapter, this.#known),
    ])
      this.#say(each.verdict, model, each.detail)
    for (const each of await this.#estimate(exchanges, row)) this.#say(each.verdict, `${model}, estimate`, each.detail)
    await this.#record(`verified-${model.replaceAll('.', '-')}`, asked, generation)
  }

  async #estimate(exchanges: readonly Exchange[], { cost }: QuotedOffer): Promise<readonly Omit<Finding, 'about'>[]> {
    const submit = exchanges.find(({ call }) => call.purpose === 'submit')?.call
    return submit === undefined || cost === null ? [] : judgeEstimate(this.#published, submit, cost.amount)
  }

  /** One call with a wrong key, before anything is bought: it cannot be bought itself, so it cannot cost. */
  async refusal(models: readonly string[]): Promise<void> {
    for (const model of models) {
      const affordable = await this.#affordable(model)
      if (typeof affordable === 'string') continue
      const generation = await this.#buy(affordable.request)
      const { error } = generation
      const isAsRead = error?.code === 'provider_unauthorized' && error.billed === false
      const found = `a wrong key is answered HTTP ${error?.provider_status ?? '–'}, read as ${error?.code ?? generation.status}, billed ${String(error?.billed)}`
      this.#say(isAsRead ? 'agrees' : 'contradicts', 'refusal', found)
      for (const { detail } of newInReplies(this.#recorder.of(generation.id), this.#provider.adapter, this.#known))
        this.#say('new', 'refusal', detail)
      return this.#record('verified-wrong-key', affordable.asked, generation)
    }
    this.#say('skipped', 'refusal', 'no model could be asked for')
  }

  /** The small request for a model, where its quote is known and within what is left; else why nothing is bought. */
  async #affordable(model: string): Promise<Affordable | string> {
    const left = subtractUsd(this.#options.maxUsd, this.#spent)
    const { limits } = this.#provider.manifest.models[model] ?? {}
    const quality = limits?.quality?.values.includes('low') ? { quality: 'low' as const } : {}
    const asked = { model, prompt: PROMPT, aspect_ratio: '1:1', megapixels: 0.25, ...quality }
    const only = { only: [this.#provider.id], allow_fallbacks: false }
    const quote = await this.#client.quote({ ...asked, provider: only })
    const row = quote.offers.find(({ provider }) => provider === this.#provider.id)
    const amount = row?.cost?.amount ?? null
    if (!row?.eligible) return row?.reasons.join(' ') ?? 'no offer'
    if (amount === null) return 'it has no quote, so nothing is bought'
    if (compareUsd(amount, left) > 0) return `quoted ${amount}, and ${left} is left of ${this.#options.maxUsd}`
    return { asked, request: { ...asked, provider: { ...only, max_price_usd: left } }, row }
  }

  async balance(): Promise<void> {
    if (!this.#provider.manifest.declares.balance) return this.#say('skipped', BALANCE, 'the vendor has none to read')
    const state = (await this.#client.providers()).find(({ id }) => id === this.#provider.id)
    const usd = state?.balance_usd ?? null
    this.#say(
      usd === null ? 'contradicts' : 'agrees',
      BALANCE,
      usd === null ? 'the reply has none that could be read' : `${usd} US dollars`,
    )
  }

  async result(): Promise<Verified> {
    const { provider, maxUsd } = this.#options
    const findings = JSON.parse(await this.#redacted(JSON.stringify(this.#findings))) as readonly Finding[]
    return { provider, max_usd: maxUsd, spent_usd: this.#spent, findings, recorded: this.#recorded }
  }

  async #redacted(text: string): Promise<string> {
    return (await this.#redactor.redactAll(Buffer.from(text))).toString()
  }

  async #buy(request: GenerationRequest): Promise<Generation> {
    const accepted = await this.#client.create(request, { waitSeconds: 0 })
    const generation = await this.#client.wait(accepted.id)
    this.#spent = sumUsd([this.#spent, ...generation.attempts.map(mostSpent)])
    return generation
  }

  async #record(story: string, request: JsonObject, { id, attempts }: Generation): Promise<void> {
    const { record } = this.#options
    const { shape } = this.#provider.manifest
    if (record === null) return
    if (shape?.name === 'queue-by-returned-urls' && shape.listing !== undefined)
      return this.#say('skipped', `recording of ${story}`, 'a story of this vendor carries a callback address, and verify has none')
    const exchanges = this.#recorder.of(id)
    const taskId = attempts.length === 1 ? taskIdIn(exchanges[0]?.call.body ?? null, exchanges[0]?.call.memo ?? null) : null
    const written = caseOf(request, exchanges, this.#provider.adapter, taskId)
    if (written === null) return this.#say('skipped', `recording of ${story}`, 'not every call was answered')
    const folder = join(record, this.#provider.id, 'cases')
    await mkdir(folder, { recursive: true })
    const file = join(folder, `${story}.json`)
    await writeFile(file, await this.#redacted(`${JSON.stringify(written, null, 2)}\n`))
    this.#recorded.push(file)
  }

  #say(verdict: Finding['verdict'], about: string, detail: string): void {
    this.#findings.push({ verdict, about, detail })
  }
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/

/** Ours is the only UUID in a submit. */
const taskIdIn = (...parts: readonly Json[]): string | null => UUID.exec(JSON.stringify(parts))?.[0] ?? null
