/** What `import … from 'imagegate'` gives: the typed client of a gateway, and the types of what it takes and returns. */
export { ClientError, createClient } from './client.ts'
export type { Client, CostsQuery, List, ListQuery, Page, ProviderHistory } from './client.ts'
export type { ClientOptions } from './connection.ts'
export type { ComparisonEvent, GenerationEvent, PartialImage, StreamOptions } from './events.ts'
export type { WaitOptions } from './wait.ts'
export type {
  Comparison,
  ComparisonRow,
  CostReport,
  CostGroup,
  CurrentKey,
  FailureCode,
  GatewayKeyState,
  GatewayKeyWithSecret,
  Generation,
  GenerationError,
  GenerationRequest,
  GenerationStatus,
  Image,
  Model,
  NewGatewayKey,
  PriceEntry,
  Problem,
  ProviderState,
  Quote,
  QuotedOffer,
  Warning,
  WebhookDelivery,
  WhatIf,
} from '#contract'
