export * from './emulator.ts'
export * from './picture.ts'
export * from './stories.ts'
