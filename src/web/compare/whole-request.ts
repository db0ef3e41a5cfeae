import type { Comparison, Generation } from '../../client/index.ts'

type Request = Generation['request']

/** What was asked for, with its metadata, which the API gives beside it: whoever asks again asks for the same. */
export const wholeRequest = ({ request, metadata }: Pick<Generation, 'request' | 'metadata'>): Request =>
  Object.keys(metadata).length === 0 ? request : { ...request, metadata }

/** The same of a comparison, whose generations have one metadata. */
export const comparedRequest = ({ request, generations: [first] }: Comparison): Request =>
  wholeRequest({ request, metadata: first?.metadata ?? {} })
