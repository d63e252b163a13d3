/** The door of routes: routes and listeners as people write them, in a file or in the registry. */
export { type PortConfig, type PortGround, readPort, routeIdOf } from './check-record.ts';
export { type PlaceClaim, placeTaken, type PortClaim, portTaken } from './claims.ts';
export type { AppAnswer, Ground, RouteConfig } from './ground.ts';
export { hideUsers } from './hidden-users.ts';
export { inlineFiles } from './inline-files.ts';
export { listenerSchema, type WrittenAcme, type WrittenListener } from './listener-schema.ts';
export {
  type AskNodes,
  claimOfRecord,
  readYaml,
  RecordBook,
  type RecordChange,
  type Surroundings,
} from './record-book.ts';
export { RecordedRoutes } from './recorded.ts';
export {
  PREFIXES as RECORD_PREFIXES,
  type RecordKind,
  type Written,
  type WrittenRecord,
  writtenSchema,
} from './records.ts';
export { inRouteWords } from './route-words.ts';
export { routeSchema, type WrittenRoute } from './route-schema.ts';
export { duration, filePath, regionName, size } from './values.ts';
export { balancerOf, isBalancer, type WrittenBalancer } from './written-balancer.ts';
export { listenerOf } from './written-listener.ts';
export { refuseIdle, routeOf } from './written-route.ts';
export { parseYaml, writeYaml, type YamlText } from './yaml.ts';
