/** Resolves after so many milliseconds, in Node and in a browser. */
export const sleep = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
