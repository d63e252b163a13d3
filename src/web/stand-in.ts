/** Objects that stand in for one of the Web's, which costs more to make than most requests need: it is made when somebody looks closer. */

/**
 * Whatever `model` has and `standIn` has not is asked of the real one, which `standIn` gives by the name `real`. To `instanceof` it is
 * one of them.
 */
export function standInFor(model: object, standIn: object, real: string): void {
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(model))) {
    if (Object.hasOwn(standIn, name)) continue;
    const isMethod = typeof value === 'function';
    Object.defineProperty(standIn, name, {
      configurable: true,
      get(this: object): unknown {
        const one = Reflect.get(this, real) as object;
        const found: unknown = Reflect.get(one, name);
        return isMethod ? (found as () => unknown).bind(one) : found;
      },
    });
  }
  Object.setPrototypeOf(standIn, model);
}
