/** A JSON number of exactly these digits, which a double may not hold, for `JSON.stringify`. */
export const exactNumber = (digits: string): unknown => (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(digits)
