import { z } from 'zod'

/** How near an offer's image is to the one requested. Price and latency compare equal images: `exact` and `near` ones. */
export const Fidelity = z.enum(['exact', 'near', 'far']).meta({
  id: 'Fidelity',
  description:
    '`exact`: the image as requested. `near`: the same format, each side off by at most one step of the offer’s grid, and the area by at most 3 %; where the offer sells ratio × tier, shape and area each by at most 3 %. `far`: the rest; used only where there is no other offer.',
})
export type Fidelity = z.infer<typeof Fidelity>

/** Nearest first. */
export const FIDELITIES: readonly Fidelity[] = Fidelity.options
