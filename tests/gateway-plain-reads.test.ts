/**
 * The proxy's tests once more, without what is beneath Node's sockets: should a later Node not have it, only
 * speed may be lost.
 */
import { Gateway } from './gateway-kit.ts';

Gateway.usesHandles = false;
await import('./gateway-proxy.test.ts');
await import('./gateway-upgrade.test.ts');
await import('./gateway-limits.test.ts');
