import { checkFieldsTogether, hasCredentials, judge, type RouteRule } from '#contract'
import { z } from 'zod'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { ConfigDocument } from './document.ts'
import { hashesOfGuessableSecrets } from './guessable-secret.ts'
import { readModelName } from './model-name.ts'
import { isAllowEntry } from '../transport/guard.ts'
import { isLoopback } from './network.ts'
import { suggest, type ConfigProblem } from './problem.ts'
import { suggestAmong } from './suggest-model.ts'
import type { ConfigFile, Defaults } from './schema.ts'
import { versionAtEnd } from './version-path.ts'

type Path = readonly PropertyKey[]

/** What the shape does not show: names that must exist, entries that must parse. */
export function checkMeaning(file: ConfigFile, document: ConfigDocument, catalogue: Catalogue): readonly ConfigProblem[] {
  const check = new Check(file, document, catalogue)
  check.keys()
  check.network()
  check.assets()
  check.providers()
  check.models()
  return check.problems
}

/** Doubtful, not wrong. */
export function warnAbout(file: ConfigFile, document: ConfigDocument, catalogue: Catalogue, sandbox: boolean): readonly ConfigProblem[] {
  const warnings: ConfigProblem[] = []
  for (const section of ['store', 'assets'] as const) {
    if (!sandbox || file[section]?.url === undefined) continue
    const remedy = 'give a provider an API key to use it; a sandbox keeps everything in the folder sandbox of IMAGEGATE_DATA'
    warnings.push(document.at([section, 'url'], 'is not used in the sandbox', remedy))
  }
  for (const [id, { base_url, shape }] of Object.entries(file.providers ?? {})) {
    const isRelay = shape !== undefined
    if (base_url === undefined || (!isRelay && base_url === catalogue.providers.get(id)?.manifest.base_url)) continue
    const path = ['providers', id, 'base_url']
    if (sandbox && !isRelay) warnings.push(document.at(path, 'is not used in the sandbox', 'give this provider an API key to use it'))
    const { protocol, hostname } = new URL(base_url)
    if (protocol === 'http:' && !isLoopback(hostname)) {
      warnings.push(document.at(path, 'sends the API key over unencrypted http', 'use https unless the network is private'))
    }
  }
  return warnings
}

interface Described {
  readonly providers: ReadonlySet<string>
  readonly models: ReadonlySet<string>
}

/** What the entries that name a shape call themselves and their models, right or not. */
function describedIn({ data }: ConfigDocument): Described {
  const entries = Object.entries(z.looseObject({ providers: z.record(z.string(), z.unknown()) }).safeParse(data).data?.providers ?? {})
  const shaped = entries.flatMap(([id, entry]) => {
    const read = z.looseObject({ shape: z.unknown().optional(), models: z.unknown().optional() }).safeParse(entry).data
    return read?.shape === undefined ? [] : [{ id, models: Object.keys(z.looseObject({}).safeParse(read.models).data ?? {}) }]
  })
  return { providers: new Set(shaped.map(({ id }) => id)), models: new Set(shaped.flatMap(({ models }) => models)) }
}

class Check {
  readonly problems: ConfigProblem[] = []
  readonly #file: ConfigFile
  readonly #document: ConfigDocument
  readonly #catalogue: Catalogue
  /** Names that entries with faults of their own would bring: that they are not there yet is no fault of who uses them. */
  readonly #described: Described

  constructor(file: ConfigFile, document: ConfigDocument, catalogue: Catalogue) {
    this.#file = file
    this.#document = document
    this.#catalogue = catalogue
    this.#described = describedIn(document)
  }

  keys(): void {
    const seen = { name: new Set<string>(), key_hash: new Set<string>() }
    const keys = this.#file.keys ?? []
    const guessable = hashesOfGuessableSecrets(new Set(keys.map((key) => key.key_hash.toLowerCase())))
    for (const [index, key] of keys.entries()) {
      const path = ['keys', index]
      for (const field of ['name', 'key_hash'] as const) {
        const value = key[field].toLowerCase()
        if (seen[field].has(value)) this.#refuse([...path, field], 'is given twice', `give every key its own ${field}`)
        seen[field].add(value)
      }
      if (guessable.has(key.key_hash.toLowerCase())) {
        const message = 'is the hash of an empty or very short secret, such as an unset variable, so that anybody could use it'
        this.#refuse([...path, 'key_hash'], message, 'make a secret and hash it: openssl rand -hex 24, then printf %s "$KEY" | sha256sum')
      }
      if (key.admin !== undefined && key.scope !== undefined && key.admin !== (key.scope === 'admin')) {
        this.#refuse([...path, 'admin'], `contradicts scope: ${key.scope}`, 'write the scope only')
      }
      for (const [position, name] of (key.models ?? []).entries()) this.#modelOrAlias([...path, 'models', position], name)
      for (const [position, id] of (key.providers ?? []).entries()) this.#provider([...path, 'providers', position], id)
    }
  }

  assets(): void {
    const { url, served_by: servedBy } = this.#file.assets ?? {}
    if (servedBy === 'bucket' && url?.startsWith('s3:') !== true)
      this.#refuse(['assets', 'served_by'], 'needs a bucket', 'name one in assets.url ("s3://bucket"), or leave served_by out')
  }

  network(): void {
    for (const [index, entry] of (this.#file.network?.allow ?? []).entries()) {
      if (!isAllowEntry(entry)) {
        this.#refuse(['network', 'allow', index], 'is neither a network nor a service', 'write "10.0.0.0/8", "10.1.2.3" or "host:9000"')
      }
    }
  }

  providers(): void {
    for (const [id, settings] of Object.entries(this.#file.providers ?? {})) {
      const path = ['providers', id]
      const provider = this.#catalogue.providers.get(id)
      if (!this.#provider(path, id, 'key') || provider === undefined) continue
      const url = new URL(settings.base_url ?? 'http://localhost')
      // Of one that holds a password nothing is repeated.
      if (hasCredentials(url) || url.search + url.hash !== '') {
        this.#refuse([...path, 'base_url'], 'holds credentials, a query or a fragment', 'write scheme, host, port and path only')
      } else this.#versionPath(path, settings.base_url, provider.manifest.base_url)
      for (const model of Object.keys(settings.prices ?? {})) {
        if (Object.hasOwn(provider.manifest.models, model)) continue
        const remedy = suggestAmong(this.#catalogue, Object.keys(provider.manifest.models), model)
        this.#refuse([...path, 'prices', model], `is not a model of ${id}`, remedy, 'key')
      }
    }
  }

  models(): void {
    for (const [name, settings] of Object.entries(this.#file.models ?? {})) {
      const path = ['models', name]
      const target = settings.model === undefined ? this.#canonical(path, name) : this.#alias(path, name, settings.model)
      this.#end(path, settings)
      if (settings.route !== undefined) this.#route([...path, 'route'], settings.route, target)
      if (settings.defaults !== undefined) this.#defaults([...path, 'defaults'], settings.defaults)
    }
  }

  #end(path: Path, { model, retires_on: end, replaced_by: other }: NonNullable<ConfigFile['models']>[string]): void {
    if (end !== undefined && model !== undefined)
      this.#refuse([...path, 'retires_on'], 'is an alias, which ends with the model it stands for', 'write it at that model', 'key')
    if (other === undefined) return
    if (end === undefined) this.#refuse([...path, 'replaced_by'], 'has no retires_on beside it', 'say when it is replaced', 'key')
    this.#modelOrAlias([...path, 'replaced_by'], other)
  }

  /** A provider's calls begin with its own version path, so that a base URL which ends in one asks for `/v1/v1`. */
  #versionPath(path: Path, baseUrl: string | undefined, manifestUrl: string): void {
    if (baseUrl === undefined) return
    const version = versionAtEnd(new URL(baseUrl).pathname)
    if (version === '' || baseUrl === manifestUrl) return
    const right = baseUrl.slice(0, baseUrl.lastIndexOf(version))
    const message = `ends in ${version}, which this provider's calls add themselves`
    this.#refuse([...path, 'base_url'], message, `write "${right}"`)
  }

  #canonical(path: Path, name: string): string | null {
    if (this.#catalogue.models.includes(name)) return name
    if (this.#described.models.has(name)) return null
    const remedy = `${suggestAmong(this.#catalogue, this.#catalogue.models, name)}; an alias needs \`model:\``
    this.#refuse(path, 'is not a model any installed provider sells', remedy, 'key')
    return null
  }

  #alias(path: Path, name: string, target: string): string | null {
    if (this.#catalogue.models.includes(name)) {
      this.#refuse(path, 'is a real model and cannot become an alias of another', 'choose another name', 'key')
    } else if (name.includes('/')) {
      this.#refuse(path, 'an alias has no slash; `provider/model` is reserved', 'choose another name', 'key')
    }
    const known = readModelName(this.#catalogue, target)
    if (known !== null) return known.model
    if (this.#isDescribed(target)) return null
    const isChain = this.#file.models?.[target]?.model !== undefined
    if (isChain) this.#refuse([...path, 'model'], `"${target}" is itself an alias`, 'name the model it stands for')
    else
      this.#refuse(
        [...path, 'model'],
        `"${target}" is not a model any installed provider sells`,
        suggestAmong(this.#catalogue, this.#catalogue.models, target),
      )
    return null
  }

  #route(path: Path, rule: RouteRule, model: string | null): void {
    const named = [
      ...(rule.order ?? []).map((id, index) => ({ id, path: [...path, 'order', index], where: 'value' as const })),
      ...Object.keys(rule.weights ?? {}).map((id) => ({ id, path: [...path, 'weights', id], where: 'key' as const })),
    ]
    for (const { id, path, where } of named) {
      if (!this.#provider(path, id, where) || model === null) continue
      const provider = this.#catalogue.offers(model).map((offer) => offer.provider)
      if (!provider.includes(id)) this.#refuse(path, `${id} does not sell ${model}`, `sold by: ${provider.join(', ')}`, where)
    }
  }

  #defaults(path: Path, defaults: Defaults): void {
    const together = {
      addIssue: (issue: { path: PropertyKey[]; message: string }) => this.#refuse([...path, ...issue.path], issue.message, null),
    }
    checkFieldsTogether(defaults, together as unknown as z.RefinementCtx)
    for (const [id, options] of Object.entries(defaults.provider_options ?? {})) {
      const here = [...path, 'provider_options', id]
      if (!this.#provider(here, id, 'key')) continue
      const schema = this.#catalogue.providers.get(id)?.adapter.options
      const judged = schema === undefined ? null : judge(schema, options)
      if (judged?.kind !== 'wrong') continue
      for (const { path, message } of judged.objections) this.#refuse([...here, ...path], message, null)
    }
  }

  #modelOrAlias(path: Path, name: string): void {
    const aliases = this.#document.names('models')
    if (readModelName(this.#catalogue, name) !== null || aliases.includes(name) || this.#isDescribed(name)) return
    this.#refuse(
      path,
      `"${name}" is neither a model nor an alias`,
      suggestAmong(this.#catalogue, [...this.#catalogue.models, ...aliases], name),
    )
  }

  /** A model, or `provider/model`, that an entry with a fault would sell. */
  #isDescribed(name: string): boolean {
    const { providers, models } = this.#described
    const slash = name.indexOf('/')
    return models.has(name) || (slash > 0 && providers.has(name.slice(0, slash)) && models.has(name.slice(slash + 1)))
  }

  #provider(path: Path, id: string, where: 'key' | 'value' = 'value'): boolean {
    const known = [...this.#catalogue.providers.keys()]
    if (known.includes(id)) return true
    if (!this.#described.providers.has(id)) this.#refuse(path, `no provider "${id}" is installed`, suggest(id, known), where)
    return false
  }

  #refuse(path: Path, message: string, remedy: string | null, where: 'key' | 'value' = 'value'): void {
    this.problems.push(this.#document.at(path, message, remedy, where))
  }
}
