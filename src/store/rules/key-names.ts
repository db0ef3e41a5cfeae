import type { KeyName, RenamedKey } from '../../core/ports.ts'

interface Renamed extends RenamedKey {
  readonly keyHash: string
}

/**
 * Configured keys that have another name than they had. Where several had one, it has passed from one to another, and nobody knows which had it
 * last: none of them is given what another may have bought. (Earlier versions kept a name that had passed on.)
 * @param known the name each had, by its hash
 */
export function renamedKeys(known: ReadonlyMap<string, string>, keys: readonly KeyName[]): readonly Renamed[] {
  const had = keys.flatMap(({ keyHash }) => known.get(keyHash) ?? [])
  return keys.flatMap(({ keyHash, name }) => {
    const from = known.get(keyHash)
    const isOwn = had.filter((one) => one === from).length === 1
    return from === undefined || from === name || !isOwn ? [] : [{ keyHash, from, to: name }]
  })
}

/** By way of names that nobody can have, since two keys may have changed theirs with one another. */
export const renamingSteps = (renamed: readonly Renamed[]): readonly RenamedKey[] => [
  ...renamed.map(({ keyHash, from }) => ({ from, to: between(keyHash) })),
  ...renamed.map(({ keyHash, to }) => ({ from: between(keyHash), to })),
]

const between = (keyHash: string): string => `\u0000${keyHash}`

export const KEY_CONFLICT = 'the gateway key was made, changed or revoked by somebody else meanwhile; nothing was written'
