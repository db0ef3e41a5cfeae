import manifest from '../../package.json' with { type: 'json' }

/** How this gateway introduces itself to every server it calls. */
export const USER_AGENT = `imagegate/${manifest.version}`
