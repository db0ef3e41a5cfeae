import type { Limits, OutputFormat, Seed, Range } from '#contract'
import type { Reference } from '../records.ts'
import { adjusted, unsupported, type Finding, type PlannedRequest } from './finding.ts'
import { isSeedInRange } from './order.ts'
import { describeRange, greatestNotAbove, isInRange, nearestIn } from './range.ts'

/**
 * What to deliver where a format is not offered. png and webp keep transparency and detail, so each stands in for the other
 * before jpeg; webp stands in for jpeg because it too is small.
 */
const SUBSTITUTES: Readonly<Record<OutputFormat, readonly OutputFormat[]>> = {
  webp: ['png', 'jpeg'],
  png: ['webp', 'jpeg'],
  jpeg: ['webp', 'png'],
}

/** Too long or too short refuses the offer: a prompt is never cut. Characters are Unicode code points. */
export function adaptPrompt(prompt: string, limit: Limits['prompt']): Finding {
  const characters = prompt.length > limit.max_chars || prompt.length < 2 * limit.min_chars ? Array.from(prompt).length : prompt.length
  if (characters > limit.max_chars)
    return { reasons: [`prompt: it has ${characters} characters, and this offer takes at most ${limit.max_chars}.`] }
  if (characters < limit.min_chars)
    return { reasons: [`prompt: it has ${characters} characters, and this offer takes at least ${limit.min_chars}.`] }
  return {}
}

/** Every reference goes along or the offer is refused. */
export function adaptReferences(references: readonly Reference[], limit: Limits['reference_images']): Finding {
  const count = references.length
  if (count > 0 && limit.max === 0) return { reasons: [`reference_images: ${count} given, and this offer takes none.`] }
  if (count > limit.max) return { reasons: [`reference_images: ${count} given, and this offer takes at most ${limit.max}.`] }
  const takesBytes = limit.forms.includes('data_uri') || limit.forms.includes('base64')
  if (!takesBytes && references.some(({ url }) => url === undefined))
    return { reasons: ['reference_images: this offer takes only links, and at least one reference is given as bytes.'] }
  return { applied: { reference_images: count } }
}

export function adaptFormat(asked: OutputFormat | undefined, limit: Limits['output_format']): Finding {
  if (asked === undefined) return {}
  if (limit.values.includes(asked)) return { applied: { output_format: asked } }
  const used = SUBSTITUTES[asked].find((format) => limit.values.includes(format))
  if (used === undefined) {
    const reason = 'This offer has no choice of format; none is sent.'
    return asked === limit.default ? {} : { warnings: [unsupported('output_format', asked, limit.default, reason)] }
  }
  const reason = `This offer delivers ${limit.values.join(', ')}.`
  return { applied: { output_format: used }, warnings: [adjusted('output_format', asked, used, reason)] }
}

/** A number that may move to the nearest legal value. */
export function adaptNumber(field: 'output_quality' | 'guidance' | 'steps', asked: number | undefined, limit: Range | null): Finding {
  if (asked === undefined) return {}
  if (limit === null) return { warnings: [unsupported(field, asked, null, `This offer has no setting for ${field}; nothing is sent.`)] }
  if (isInRange(asked, limit)) return { applied: { [field]: asked } }
  const used = nearestIn(limit, asked)
  const reason = `This offer takes ${field} of ${describeRange(limit)}.`
  return { applied: { [field]: used }, warnings: [adjusted(field, asked, used, reason)] }
}

/** @param format what is ordered; undefined where none was asked for */
export function adaptOutputQuality(asked: number | undefined, limits: Limits, format: string | undefined): Finding {
  const isPng = (format ?? limits.output_format.default) === 'png'
  if (asked === undefined || limits.output_quality === null || !isPng) return adaptNumber('output_quality', asked, limits.output_quality)
  return { warnings: [unsupported('output_quality', asked, null, 'This offer delivers png for this request, which loses nothing.')] }
}

/** Stricter than asked is a warning; as strict as asked being impossible refuses the offer. */
export function adaptSafety(asked: number | undefined, limit: Range | null): Finding {
  if (asked === undefined) return {}
  if (limit === null)
    return { reasons: [`safety_tolerance: ${asked} was asked, and this offer has no control for it; safety is never loosened.`] }
  const used = greatestNotAbove(limit, asked)
  if (used === null)
    return {
      reasons: [`safety_tolerance: ${asked} was asked, and the strictest this offer takes is ${limit.min}; safety is never loosened.`],
    }
  if (used === asked) return { applied: { safety_tolerance: used } }
  const reason = `This offer takes safety_tolerance of ${describeRange(limit)}; the stricter value is used.`
  return { applied: { safety_tolerance: used }, warnings: [adjusted('safety_tolerance', asked, used, reason)] }
}

/** Sent only where there is a switch; an offer without one is as asked where it behaves so anyway. */
export function adaptUpsampling(asked: boolean | undefined, limit: Limits['prompt_upsampling']): Finding {
  if (asked === undefined) return {}
  if (limit.settable) return { applied: { prompt_upsampling: asked } }
  if (limit.default === asked) return {}
  const behaviour = limit.default === null ? 'does not say what it does' : limit.default ? 'always rewrites it' : 'never rewrites it'
  const reason = `This offer has no switch for rewriting the prompt and ${behaviour}.`
  return { warnings: [unsupported('prompt_upsampling', asked, limit.default, reason)] }
}

/** Another seed would be another image, so a seed outside the range is left out rather than moved. */
export function adaptSeed(asked: Seed | undefined, limit: Range | null): Finding {
  if (asked === undefined) return {}
  if (limit !== null && isSeedInRange(asked, limit)) return { applied: { seed: asked } }
  const reason = limit === null ? 'This offer takes no seed.' : `This offer takes seeds of ${describeRange(limit)}; none is sent.`
  return { warnings: [unsupported('seed', asked, null, reason)] }
}

/** Options for other providers stay behind. */
export function ignoredOptions(options: PlannedRequest['provider_options'], provider: string): Finding {
  const others = Object.entries(options ?? {}).filter(([other]) => other !== provider)
  return {
    warnings: others.map(([other, requested]) => ({
      code: 'ignored_option',
      field: `provider_options.${other}`,
      requested,
      used: null,
      reason: `These options are for ${other}, and ${provider} is used.`,
    })),
  }
}
