export * from './exact-number.ts'
export * from './retry-after.ts'
