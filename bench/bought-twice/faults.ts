/** What becomes of a reply after the vendor has accepted and charged. */
export const FAULTS = ['drop', 'reset', '502', '504', '524', 'empty', 'late'] as const
export type Fault = (typeof FAULTS)[number]
