/** What a gateway keeps is its own user's alone, also in a folder that others may read. */
export const OWN_FILE = 0o600
export const OWN_FOLDER = 0o700
