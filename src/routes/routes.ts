/** The door of routes: routes and listeners as people write them, in a file or in the registry. */
export type { AppAnswer, Ground, RouteConfig } from './ground.ts';
export { listenerSchema, type WrittenListener } from './listener-schema.ts';
export { routeSchema, type WrittenRoute } from './route-schema.ts';
export { duration, filePath, size } from './values.ts';
export { balancerOf, isBalancer, type WrittenBalancer } from './written-balancer.ts';
export { listenerOf } from './written-listener.ts';
export { routeOf } from './written-route.ts';
export { parseYaml, type YamlText } from './yaml.ts';
