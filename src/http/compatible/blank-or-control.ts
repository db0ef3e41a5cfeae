/** Whether an address has what a URL parser passes over, line ends among it: the text is shown and logged as it came. */
export const hasBlankOrControl = (address: string): boolean => /[\s\p{Cc}]/u.test(address)
