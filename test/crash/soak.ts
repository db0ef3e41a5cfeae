/** `npm run soak`: one gateway (`soak-one.ts`); with `--cluster`, three of them on one PostgreSQL (`soak-cluster.ts`). */
await(process.argv.includes('--cluster') ? import('./soak-cluster.ts') : import('./soak-one.ts'))
