export function programFile(name: string, root?: string): string
export function buildOf(root: string): { readonly folder: string; readonly change: string | null } | null
export function namesIn(folder: string): string
