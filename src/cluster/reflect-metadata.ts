/**
 * The few functions of the `reflect-metadata` proposal that `@peculiar/x509` (by way of `tsyringe`) asks for when it is
 * loaded. None of its classes takes injected parameters, so a plain store is all that is needed. Import it first.
 */

type Key = string | symbol;

interface MetadataReflect {
  getMetadata?(key: Key, target: object): unknown;
  getOwnMetadata?(key: Key, target: object): unknown;
  defineMetadata?(key: Key, value: unknown, target: object): void;
  hasOwnMetadata?(key: Key, target: object): boolean;
  getOwnMetadataKeys?(target: object): readonly Key[];
  deleteMetadata?(key: Key, target: object): boolean;
}

const store = new WeakMap<object, Map<Key, unknown>>();
const reflect: typeof Reflect & MetadataReflect = Reflect;

// An application or test that brought the real thing keeps it.
if (reflect.getMetadata === undefined) {
  reflect.getOwnMetadata = (key, target) => store.get(target)?.get(key);
  reflect.getMetadata = (key, target) => {
    for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object) {
      const known = store.get(at);
      if (known?.has(key) === true) return known.get(key);
    }
    return undefined;
  };
  reflect.defineMetadata = (key, value, target) => {
    const known = store.get(target) ?? new Map<Key, unknown>();
    store.set(target, known.set(key, value));
  };
  // The real thing, when a library brings it after this one, asks the store of before by these.
  reflect.hasOwnMetadata = (key, target) => store.get(target)?.has(key) ?? false;
  reflect.getOwnMetadataKeys = (target) => [...(store.get(target)?.keys() ?? [])];
  reflect.deleteMetadata = (key, target) => store.get(target)?.delete(key) ?? false;
}
