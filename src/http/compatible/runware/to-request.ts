import { isObject } from '#contract'
import type { Json, JsonObject, Limits, Model, Warning } from '#contract'
import type { GenerationRecord } from '../../../core/records.ts'
import { readReferenceText } from '../reference-text.ts'
import { problemsOf } from './checks.ts'
import type { OutputType } from './checks.ts'
import { imageIdOf } from './image-uuid.ts'
import { invalid } from './task-error.ts'
import type { TaskError } from './task-error.ts'

/** How the caller wants its results; kept with the generation, since getResponse does not repeat it. */
export interface Wanted {
  readonly taskUUID: string
  readonly outputTypes: readonly OutputType[]
  readonly includeCost: boolean
}

/** Where results are sent without being asked for. */
export interface Receivers {
  readonly webhookUrl: string | null
  /** Each stored image is sent here by PUT. */
  readonly uploadUrl: string | null
}

export type Translation =
  | {
      readonly kind: 'request'
      /** A body as POST /v1/generations takes it. */
      readonly request: JsonObject
      readonly warnings: readonly Warning[]
      readonly wanted: Wanted
      /** Acknowledged at once; the result is asked for, or sent to the webhook. */
      readonly isAsync: boolean
      readonly receivers: Receivers
    }
  | { readonly kind: 'refused'; readonly errors: readonly TaskError[] }

/** One of our models, and what Runware takes for it; null where Runware does not sell it. */
export interface SoldModel {
  readonly id: string
  readonly limits: Limits | null
}

const PROVIDER = 'runware'

/** The model behind an AIR id, found by what Runware's own offers are called; one of our own ids, or an alias, names itself. */
export function soldModel(models: readonly Model[], name: string): SoldModel | null {
  const offerOf = (model: Model) => model.offers.find(({ provider }) => provider === PROVIDER)
  const byAir = models.find((model) => model.alias_of === null && offerOf(model)?.provider_model === name)
  const model = byAir ?? models.find(({ id }) => id === name)
  return model ? { id: model.id, limits: offerOf(model)?.limits ?? null } : null
}

const FORMATS = { JPG: 'jpeg', PNG: 'png', WEBP: 'webp' } as const

/** What Runware uses where nothing is sent (https://runware.ai/docs/models/bfl-flux-2-pro, read 2026-11-21). */
const DEFAULT_SAFETY = 2

/**
 * An imageInference task as one of our requests, with Runware's own defaults written out, so that they hold whoever serves it. Pure and total.
 * @param taskUUID the task's, checked
 */
export function toRequest(task: JsonObject, taskUUID: string, model: SoldModel): Translation {
  const problems = problemsOf(task, model.limits)
  if (problems.length > 0) return { kind: 'refused', errors: problems }
  const references = referencesOf(task)
  if (references.errors.length > 0) return { kind: 'refused', errors: references.errors }
  const settings = objectAt(objectAt(task, 'providerSettings'), 'bfl')
  const upsampling = settings['promptUpsampling'] ?? (model.limits?.prompt_upsampling.settable === false ? undefined : false)
  const safety = safetyOf(task)
  const wanted: Wanted = { taskUUID, outputTypes: outputTypesOf(task['outputType']), includeCost: task['includeCost'] === true }
  const request: JsonObject = given({
    model: model.id,
    prompt: task['positivePrompt'],
    width: task['width'],
    height: task['height'],
    seed: task['seed'],
    n: task['numberResults'],
    output_format: FORMATS[(task['outputFormat'] ?? 'JPG') as keyof typeof FORMATS],
    output_quality: task['outputQuality'],
    safety_tolerance: settings['safetyTolerance'] ?? DEFAULT_SAFETY,
    prompt_upsampling: upsampling,
    guidance: task['CFGScale'],
    steps: task['steps'],
    reference_images: references.images.length > 0 ? references.images : undefined,
    provider_options: safety === null ? undefined : { runware: { safety } },
    metadata: toMetadata(wanted),
  })
  const { webhookURL, uploadEndpoint } = task
  const webhookUrl = typeof webhookURL === 'string' ? webhookURL : null
  return {
    kind: 'request',
    request,
    warnings: ttlWarning(task['ttl']),
    wanted,
    isAsync: (task['deliveryMethod'] ?? (webhookUrl === null ? 'sync' : 'async')) === 'async',
    receivers: { webhookUrl, uploadUrl: typeof uploadEndpoint === 'string' ? uploadEndpoint : null },
  }
}

const given = (fields: Readonly<Record<string, Json | undefined>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter((pair): pair is [string, Json] => pair[1] !== undefined))

function objectAt(fields: JsonObject, name: string): JsonObject {
  const value = fields[name]
  return isObject(value) ? value : {}
}

const outputTypesOf = (value: Json | undefined): readonly OutputType[] => {
  const list = (Array.isArray(value) ? value : [value ?? 'URL']) as readonly OutputType[]
  return [...new Set(list)]
}

function safetyOf(task: JsonObject): JsonObject | null {
  const safety = objectAt(task, 'safety')
  if (Object.keys(safety).length > 0) return safety
  return task['checkNSFW'] === true ? { checkContent: true } : null
}

const ttlWarning = (ttl: Json | undefined): readonly Warning[] =>
  typeof ttl === 'number'
    ? [
        {
          code: 'ignored_option',
          field: 'ttl',
          requested: ttl,
          used: null,
          reason: 'this server keeps its images as long as it is configured to',
        },
      ]
    : []

/** URLs, data URIs and base64 as they are; a UUID is one of our images, by its `imageUUID`. */
function referencesOf(task: JsonObject): { readonly images: readonly Json[]; readonly errors: readonly TaskError[] } {
  const nested = objectAt(task, 'inputs')['referenceImages']
  const parameter = nested === undefined ? 'referenceImages' : 'inputs.referenceImages'
  const list = (nested ?? task['referenceImages'] ?? []) as readonly string[]
  const images: Json[] = []
  const errors: TaskError[] = []
  for (const [index, text] of list.entries()) {
    const image = imageIdOf(text)
    const read = image === null ? readReferenceText(text) : null
    if (image !== null) images.push({ image })
    else if (read?.kind === 'reference') images.push(read.reference)
    else errors.push(invalid(parameter, `entry ${index} ${read?.reason ?? 'cannot be read'}`))
  }
  return { images, errors }
}

const UUID_PAIR = 'runware_task_uuid'
const OUTPUT_PAIR = 'runware_output_type'
const COST_PAIR = 'runware_include_cost'

function toMetadata({ taskUUID, outputTypes, includeCost }: Wanted): JsonObject {
  const isPlain = outputTypes.length === 1 && outputTypes[0] === 'URL'
  return {
    [UUID_PAIR]: taskUUID,
    ...(isPlain ? {} : { [OUTPUT_PAIR]: outputTypes.join(',') }),
    ...(includeCost ? { [COST_PAIR]: 'true' } : {}),
  }
}

/** What `toRequest` put into the generation's metadata. */
export function wantedOf({ request }: Pick<GenerationRecord, 'request'>, taskUUID: string): Wanted {
  const pairs = request.metadata ?? {}
  return {
    taskUUID: pairs[UUID_PAIR] ?? taskUUID,
    outputTypes: outputTypesOf(pairs[OUTPUT_PAIR]?.split(',') ?? 'URL'),
    includeCost: pairs[COST_PAIR] === 'true',
  }
}
