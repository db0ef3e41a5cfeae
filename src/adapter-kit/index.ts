export * from './exact-number.ts'
