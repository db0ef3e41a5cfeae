export * from './emulator.ts'
export * from './draw-image.ts'
export * from './stories.ts'
