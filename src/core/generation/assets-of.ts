import type { Assets } from '../ports.ts'

/** Where the images of a gateway key are kept: those of other keys do not wait behind them. */
export const assetsOf = (assets: Assets, key: string | null): Assets => ({
  ...assets,
  examine: (source, maxBytes) => assets.examine(source, maxBytes, key ?? ''),
  putReference: (source, maxBytes, statedBytes) => assets.putReference(source, maxBytes, statedBytes, key ?? ''),
  put: (source, maxBytes, statedBytes) => assets.put(source, maxBytes, statedBytes, key ?? ''),
})
