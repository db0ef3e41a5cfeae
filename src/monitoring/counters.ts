import { Counter, Gauge, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'

const SECONDS = [0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300]

/** Every counter and histogram, by what happened. */
export const createCounters = (registry: Registry) => ({
  ...requestCounters(registry),
  ...generationCounters(registry),
  ...taskCounters(registry),
  ...reloadCounters(registry),
})

const requestCounters = (registry: Registry) => ({
  requests: new Counter({
    name: 'imagegate_http_requests_total',
    help: 'HTTP requests answered.',
    labelNames: ['method', 'route', 'status'],
    registers: [registry],
  }),
  limited: new Counter({
    name: 'imagegate_limited_total',
    help: 'Refused because a limit was reached: requests, sockets, bytes, streams or generations, of an address, a key or all together.',
    labelNames: ['limit', 'of'],
    registers: [registry],
  }),
  requestSeconds: new Histogram({
    name: 'imagegate_http_request_seconds',
    help: 'From request to answer.',
    labelNames: ['route'],
    buckets: [0.01, ...SECONDS],
    registers: [registry],
  }),
})

const generationCounters = (registry: Registry) => ({
  generations: new Counter({
    name: 'imagegate_generations_total',
    help: 'Generations ended.',
    labelNames: ['model', 'provider', 'status', 'code'],
    registers: [registry],
  }),
  billsNotBelieved: new Counter({
    name: 'imagegate_bills_not_believed_total',
    help: 'Bills of far more than the quote, held as unknown until an operator confirms them. Worth an alert.',
    labelNames: ['provider'],
    registers: [registry],
  }),
})

const taskCounters = (registry: Registry) => ({
  submits: new Counter({
    name: 'imagegate_submits_total',
    help: 'Paid calls made, by what came of them.',
    labelNames: ['provider', 'code'],
    registers: [registry],
  }),
  tasks: new Counter({
    name: 'imagegate_tasks_total',
    help: 'Paid tasks ended.',
    labelNames: ['provider', 'model', 'code'],
    registers: [registry],
  }),
  taskSeconds: new Histogram({
    name: 'imagegate_task_seconds',
    help: 'From submit to ready.',
    labelNames: ['provider', 'model'],
    buckets: SECONDS,
    registers: [registry],
  }),
  polls: new Histogram({
    name: 'imagegate_task_polls',
    help: 'Polls made for a task.',
    labelNames: ['provider'],
    buckets: [0, 1, 2, 3, 5, 8, 13, 21, 50],
    registers: [registry],
  }),
})

const reloadCounters = (registry: Registry) => ({
  reloads: new Counter({
    name: 'imagegate_config_reloads_total',
    help: 'Readings of the configuration after the start, by what came of them: swapped, unchanged or refused.',
    labelNames: ['result'],
    registers: [registry],
  }),
  reloadSucceeded: new Gauge({
    name: 'imagegate_config_last_reload_successful',
    help: '0 while the configuration on disk is refused and an older one is in force.',
    registers: [registry],
  }),
  reloadedAt: new Gauge({
    name: 'imagegate_config_last_reload_success_timestamp_seconds',
    help: 'When the configuration in force was read.',
    registers: [registry],
  }),
  build: new Gauge({
    name: 'imagegate_build_info',
    help: 'Always 1; the version that runs is in its labels.',
    labelNames: ['version', 'node', 'sandbox'],
    registers: [registry],
  }),
})
