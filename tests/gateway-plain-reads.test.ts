/**
 * The proxy's tests once more, without the private handle of accepted sockets: should a later Node not have it, only
 * speed may be lost.
 */
import { Gateway } from './gateway-kit.ts';

Gateway.sharesReads = false;
await import('./gateway-proxy.test.ts');
await import('./gateway-upgrade.test.ts');
await import('./gateway-limits.test.ts');
