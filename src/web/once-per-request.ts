/** What is found out once for a request, by whichever of its parts wants it first. */
import { contextIfAny } from './context.ts';
import { type PolicyMode, policyMode } from './policy.ts';

/**
 * Asks once in each request, however often it is called: `const teams = oncePerRequest(() => …)`. What rules of policies ask, who see
 * everything, is apart from what the visitor may see. Outside of requests, and when one is answered, each call asks; of a WebSocket, each
 * message is a request. For what the request itself changes it is too old.
 */
export function oncePerRequest<Value>(ask: () => Promise<Value>): () => Promise<Value> {
  const known = new WeakMap<object, Map<PolicyMode, Promise<Value>>>();
  return async () => {
    const turn = contextIfAny()?.turn;
    if (turn === undefined) return await ask();
    const byMode = known.get(turn) ?? new Map<PolicyMode, Promise<Value>>();
    known.set(turn, byMode);
    const asked = byMode.get(policyMode()) ?? ask();
    byMode.set(policyMode(), asked);
    return await asked;
  };
}
