/** Door of `standalone`: the gateway by itself. */
export { certificateTroubles, pathTroubles } from '../gateway/gateway.ts';
export { type GatewayFile, readGatewayFile } from './gateway-file.ts';
export { StandaloneGateway, type StandaloneOptions } from './standalone-gateway.ts';
export {
  drainStandalone,
  explainStandalone,
  metricsStandalone,
  purgeStandalone,
  slowStandalone,
  type StandaloneQuestions,
  topStandalone,
} from './standalone-questions.ts';
