import type { Command } from 'commander'

/** What people type, by verb; `imagegate help <verb>` ends with it. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  serve: ['imagegate serve', 'IMAGEGATE_CONFIG=/etc/imagegate/imagegate.yaml imagegate serve --port 8080'],
  generate: [
    'imagegate generate "a lighthouse at dusk" --model flux-2-pro --aspect-ratio 3:2',
    'imagegate generate "the same in winter" --model flux-2-pro --ref lighthouse.png --out images',
    'cat prompt.txt | imagegate generate - --model flux-2-flex --json',
  ],
  quote: ['imagegate quote "a lighthouse at dusk" --model flux-2-pro --width 1536 --height 1024 -n 2'],
  compare: [
    'imagegate compare "a lighthouse at dusk" --model flux-2-pro --out comparison',
    'imagegate compare "a lighthouse at dusk" --model flux-2-pro --providers bfl,runware --max-price-usd 0.05',
  ],
  get: ['imagegate get gen_01a21f1d54d27b4f8dd3ed997b35ec3d --out images'],
  list: ['imagegate list --status failed --limit 5'],
  cancel: ['imagegate cancel gen_01a21f1d54d27b4f8dd3ed997b35ec3d'],
  costs: ['imagegate costs --last-month --model flux-2-pro', 'imagegate costs --month 2026-10 --group-by provider,key --csv costs.csv'],
  reconcile: ['imagegate reconcile invoice.csv --provider bfl', 'imagegate reconcile invoice.csv --provider bfl --apply'],
  keys: ['imagegate keys create team-a --budget-usd 50 --models flux-2-pro', 'imagegate keys rotate team-a --grace 3600'],
  models: ['imagegate models'],
  providers: ['imagegate providers'],
  prices: ['imagegate prices --model flux-2-pro', 'imagegate prices check --provider openrouter'],
  doctor: ['imagegate doctor'],
  verify: ['imagegate verify bfl --max-usd 0.10', 'imagegate verify runware --model flux-2-pro --record recorded'],
  learn: ['imagegate learn https://api.vendor.example/openapi.json --id vendor --out manifest.json', 'imagegate learn openapi.yaml --json'],
  backup: ['imagegate backup /backups/2026-11-28'],
  restore: ['imagegate restore /backups/2026-11-28'],
  migrate: ['imagegate migrate --from file:data/imagegate.db --to postgres://gateway@db.internal/imagegate'],
  sandbox: ['imagegate sandbox --typical-ms 500'],
  demo: ['imagegate demo --out demo-images'],
  completion: ['source <(imagegate completion bash)', 'imagegate completion fish > ~/.config/fish/completions/imagegate.fish'],
  schema: ['imagegate schema > imagegate.schema.json'],
}

export function withExamples(command: Command): Command {
  const lines = EXAMPLES[command.name()] ?? []
  return command.addHelpText('after', `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}`)
}
