import type { Fault, FieldProblem } from './fields.ts'

/** A fault in words that follow the field's name: `must be at least 64`. */
export function sentenceOf(fault: Fault): string {
  switch (fault.kind) {
    case 'missing':
      return 'is required'
    case 'unknown':
      return 'is not a known parameter'
    case 'type':
      return `must be ${/^[aeio]/.test(fault.expected) ? 'an' : 'a'} ${fault.expected}`
    case 'least':
      return `must be at least ${fault.bound}`
    case 'most':
      return `must be at most ${fault.bound}`
    case 'step':
      return `must be a multiple of ${fault.bound}`
    case 'shortest':
      return `must have at least ${fault.bound} entries or characters`
    case 'longest':
      return `must have at most ${fault.bound} entries or characters`
    case 'choice':
      return `must be one of ${fault.values.join(', ')}`
    case 'form':
      return `must be ${fault.expected}`
    case 'together':
      return fault.words
  }
}

/** All that is wrong in one text: `width: must be at least 64; seed: must be an integer`. */
export const sentencesOf = (problems: readonly FieldProblem[]): string =>
  problems.map(({ path, fault }) => `${path.join('.') || 'body'}: ${sentenceOf(fault)}`).join('; ')
