/** The door of the gateway: what the composition root and the API need of it. */
export { certificateTroubles } from './certificates.ts';
export { DEFAULT_BALANCER } from './balancer-limits.ts';
export { type AgentState, AgentPort } from './agent-answer.ts';
export { askWorkers, type AskedWorkers } from './ask-workers.ts';
export { cacheMost, requireCacheFits } from './cache-fit.ts';
export { CACHE_HITS } from './cache-result.ts';
export { checkGatewayConfig } from './config-check.ts';
export {
  GATEWAY_CONFIG_REFUSED,
  GATEWAY_LISTEN_FAILED,
  GATEWAY_PORT_TAKEN,
  GATEWAY_STOPPED,
  GATEWAY_WORKER_FAILED,
} from './errors.ts';
export type {
  AnswerTo,
  CacheExplanation,
  CacheTierStats,
  GatewayAnswer,
  GatewayQuestion,
  KeyOwner,
  PurgeOrder,
  PurgeOrders,
  PurgeRequest,
  PurgeTarget,
  StorageRefusal,
  StoredVariant,
  TopReport,
  TopRow,
} from './gateway-question.ts';
export { DEFAULT_GATEWAY_LIMITS, DEFAULT_ROUTE_LIMITS } from './limits.ts';
export { askedUrl } from './asked-url.ts';
export { pathTroubles } from './path-check.ts';
export {
  PURGE_ORDERS_MAX,
  PURGE_TARGETS_MAX,
  purgeOrdersSchema,
  purgeTargetSchema,
} from './purge-schema.ts';
export {
  slowReport,
  STAGES,
  type SlowExample,
  type SlowFigures,
  type SlowReport,
} from './slow-report.ts';
export type { AccessLogFormat } from './log-settings.ts';
export { mergeTop, TOP_DURATION_MS_MAX } from './top-meter.ts';
export {
  GatewaySupervisor,
  type GatewayConfigContent,
  type GatewaySupervisorOptions,
} from './supervisor.ts';
export type { GatewayWorkerState } from './worker-slot.ts';
export { loadWorker } from './worker-launch.ts';
export { livingWorkers } from './worker-record.ts';
