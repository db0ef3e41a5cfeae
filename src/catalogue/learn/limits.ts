import { OutputFormat } from '#contract'
import type { Json, JsonObject } from '#contract'
import type { Named } from './names.ts'
import type { Notes } from './notes.ts'
import { numberOf, type Field } from './openapi.ts'

const UNSAID = 'the document names no bound'

/** What an offer takes, as far as the schema of its body says so. */
export function draftLimits(named: Named, path: string, notes: Notes): JsonObject {
  const { prompt, n, seed } = named
  const range = (field: Field | undefined, name: string): Json => (field === undefined ? null : rangeOf(field, `${path}.${name}`, notes))
  return {
    prompt: {
      min_chars: numberOf(prompt?.value['minLength']) ?? 0,
      max_chars: notes.take(
        `${path}.prompt.max_chars`,
        numberOf(prompt?.value['maxLength']),
        `${prompt?.pointer}/maxLength`,
        'the document names no longest prompt',
      ),
    },
    size: sizeOf(named, `${path}.size`, notes),
    reference_images: referencesOf(named, `${path}.reference_images`, notes),
    n: {
      max:
        n === undefined
          ? 1
          : notes.take(`${path}.n.max`, numberOf(n.value['maximum']), `${n.pointer}/maximum`, 'the document does not say how many at once'),
    },
    seed: seed === undefined ? null : rangeOf(seed, `${path}.seed`, notes),
    output_format: formatsOf(named.output_format, `${path}.output_format`, notes),
    output_quality: range(named.output_quality, 'output_quality'),
    safety_tolerance: range(named.safety_tolerance, 'safety_tolerance'),
    prompt_upsampling: toggleOf(named.prompt_upsampling),
    guidance: range(named.guidance, 'guidance'),
    steps: range(named.steps, 'steps'),
    ...(named.mask === undefined ? {} : { mask: true }),
  }
}

function rangeOf({ value, pointer }: Field, path: string, notes: Notes): JsonObject {
  const step = numberOf(value['multipleOf'])
  return {
    type: 'range',
    min: bound(value['minimum'], 'min', `${pointer}/minimum`),
    max: bound(value['maximum'], 'max', `${pointer}/maximum`),
    ...(step === null ? {} : { step }),
    default: numberOf(value['default']),
  }
  function bound(said: Json | undefined, name: string, from: string): number | null {
    return notes.take(`${path}.${name}`, numberOf(said), from, UNSAID)
  }
}

function sizeOf(named: Named, path: string, notes: Notes): Json {
  const { width, height, size, aspect_ratio: ratio, tier } = named
  const follows = (why: string): boolean | null => (named.references === undefined ? false : notes.miss(`${path}.follows_reference`, why))
  const ratios = wordsOf(ratio).filter((word) => /^[1-9]\d{0,3}:[1-9]\d{0,3}$/.test(word))
  if (width !== undefined && height !== undefined)
    return {
      kind: 'range',
      width: rangeOf(width, `${path}.width`, notes),
      height: rangeOf(height, `${path}.height`, notes),
      max_pixels: notes.miss(`${path}.max_pixels`, 'the most pixels of an image; null stays null where there is no such bound'),
      required: width.isRequired && height.isRequired,
      follows_reference: follows('true where an edit without a size comes back in that of its first reference'),
    }
  if (ratio !== undefined && ratios.length > 0) {
    const names = wordsOf(tier)
    const why = 'about how many megapixels an image of it has'
    const unnamed = () => notes.miss(`${path}.tiers`, 'the document names no resolutions: one with its `name` and `megapixels`')
    return {
      kind: 'tier',
      aspect_ratios: notes.take(`${path}.aspect_ratios`, ratios, `${ratio.pointer}/enum`, ''),
      tiers:
        names.length === 0
          ? unnamed()
          : names.map((name, index) => ({ name, megapixels: notes.miss(`${path}.tiers.${index}.megapixels`, why) })),
      follows_reference: follows('true where an edit without a ratio has that of its first reference'),
    }
  }
  const words = wordsOf(size)
  const said = words.length === 0 ? 'the document names no sizes' : `the document names these: ${words.join(', ')}`
  return notes.miss(path, `${said}; write them as ranges or as ratios and tiers`)
}

function referencesOf({ references }: Named, path: string, notes: Notes): JsonObject {
  if (references === undefined) return { max: 0, forms: [] }
  const { value, pointer } = references
  const isOne = value['type'] === 'string'
  return {
    max: isOne ? 1 : notes.take(`${path}.max`, numberOf(value['maxItems']), `${pointer}/maxItems`, 'the document does not say how many'),
    forms: notes.miss(`${path}.forms`, 'which of `url`, `data_uri` and `base64` it takes'),
  }
}

const FORMATS: Readonly<Record<string, string>> = { jpg: 'jpeg' }

function formatsOf(field: Field | undefined, path: string, notes: Notes): JsonObject {
  const ours = (word: Json | undefined): string | null => {
    const name = typeof word === 'string' ? word.toLowerCase() : ''
    return OutputFormat.safeParse(FORMATS[name] ?? name).data ?? null
  }
  if (field === undefined) return { type: 'enum', values: [], default: null }
  const values = [...new Set(wordsOf(field).flatMap((word) => ours(word) ?? []))]
  return {
    type: 'enum',
    values: notes.take(`${path}.values`, values.length === 0 ? null : values, `${field.pointer}/enum`, 'the document names no formats'),
    default: ours(field.value['default']),
  }
}

function toggleOf(field: Field | undefined): JsonObject {
  const { default: initial } = field?.value ?? {}
  return { type: 'boolean', default: typeof initial === 'boolean' ? initial : null, settable: field !== undefined }
}

/** The words of a field that is one of a list. */
export function wordsOf(field: Field | undefined): readonly string[] {
  const words = field?.value['enum']
  return Array.isArray(words) ? words.filter((word) => typeof word === 'string') : []
}
