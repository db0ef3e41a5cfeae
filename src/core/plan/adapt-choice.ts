import { Quality, type Background, type Limits } from '#contract'
import { adjusted, unsupported, type Finding } from './finding.ts'

/** Effort moves to the nearest tier there is; of two the lesser. */
export function adaptQuality(asked: Quality | undefined, limit: Limits['quality']): Finding {
  if (asked === undefined) return {}
  if (limit === undefined)
    return { warnings: [unsupported('quality', asked, null, 'This offer has no tiers of quality; nothing is sent.')] }
  if (limit.values.includes(asked)) return { applied: { quality: asked } }
  const rank = (quality: Quality): number => Quality.options.indexOf(quality)
  const [used = asked] = limit.values.toSorted(
    (left, right) => Math.abs(rank(left) - rank(asked)) - Math.abs(rank(right) - rank(asked)) || rank(left) - rank(right),
  )
  return {
    applied: { quality: used },
    warnings: [adjusted('quality', asked, used, `This offer has the qualities ${limit.values.join(', ')}.`)],
  }
}

/**
 * Transparent needs a format that has it: where none was asked for and the offer's own may be jpeg, png or webp is ordered.
 * @param format what is ordered; undefined where none was asked for
 */
export function adaptBackground(asked: Background | undefined, limits: Limits, format: string | undefined): Finding {
  if (asked === undefined) return {}
  const { background: limit, output_format: formats } = limits
  if (limit === undefined && asked === 'opaque') return {}
  const refused = (reason: string): Finding => ({ warnings: [unsupported('background', asked, limit?.default ?? null, reason)] })
  if (limit === undefined) return refused('This offer has no choice of background; nothing is sent.')
  if (!limit.values.includes(asked)) return refused(`This offer has the backgrounds ${limit.values.join(', ')}; nothing is sent.`)
  if (asked === 'opaque') return { applied: { background: asked } }
  if (format === 'jpeg') return refused('This offer delivers jpeg for this request, which has no transparent part.')
  if (format !== undefined || formats.default === 'png' || formats.default === 'webp') return { applied: { background: asked } }
  const chosen = (['png', 'webp'] as const).find((each) => formats.values.includes(each))
  if (chosen === undefined) return refused('This offer delivers no format that has a transparent part.')
  return { applied: { background: asked, output_format: chosen } }
}
