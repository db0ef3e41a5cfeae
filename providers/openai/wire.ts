import { PartialImages } from '#adapter-kit'
import { z } from 'zod'

/** What this vendor takes beyond the normalized request: openai 7.57.0 of 2026-11-13, `resources/images.d.ts`. */
export const OpenAiOptions = z
  .strictObject({
    moderation: z.enum(['auto', 'low']).optional().meta({ description: '`low` filters less. Generations only: edits have no such field.' }),
    input_fidelity: z.enum(['high', 'low']).optional().meta({
      description: 'How closely an edit keeps to the references: gpt-image-1.5 takes both, gpt-image-1-mini only low, the others none.',
    }),
    complexity: z
      .enum(['low', 'medium', 'high'])
      .optional()
      .meta({ description: 'Computation spent on planning the image, apart from its quality.' }),
    partial_images: PartialImages,
    safety_identifier: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'A stable, hashed name of your end user, for the vendor’s detection of abuse.' }),
  })
  .meta({ id: 'OpenAiOptions' })
export type OpenAiOptions = z.infer<typeof OpenAiOptions>
/** Those that are texts. */
export type OptionName = Exclude<keyof OpenAiOptions, 'partial_images'>

interface Purchase {
  readonly model: string
  readonly isEdit: boolean
}

const FIDELITIES: Readonly<Record<string, readonly string[]>> = { 'gpt-image-1.5': ['high', 'low'], 'gpt-image-1-mini': ['low'] }

/** Why this purchase does not take an option; null where it does. */
export function takes(name: OptionName, value: string, { model, isEdit }: Purchase): string | null {
  switch (name) {
    case 'moderation':
      return isEdit ? 'An edit has no such field; the usual filter acts.' : null
    case 'input_fidelity':
      if (!isEdit) return 'There is no reference image that it could be about.'
      return FIDELITIES[model]?.includes(value) ? null : `${model} does not take ${value}; nothing is sent.`
    case 'complexity':
    case 'safety_identifier':
      return null
  }
}

const text = z.string().min(1).optional().catch(undefined)

/** What a reply repeats of the image, with what the vendor chose for `auto`. */
export const Resolved = z.object({ size: text, quality: text, background: text, output_format: text })
